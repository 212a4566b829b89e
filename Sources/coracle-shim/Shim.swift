import CLinux
@main struct Shim { static func main() {} }
