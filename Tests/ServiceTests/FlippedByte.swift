/// A shell script that writes another byte than there is, at the 1000th of a file: whatever it is, since what layers are
/// compressed to is another each time.
func flippingByte(of file: String) -> String {
  """
  was=$(dd if=\(file) bs=1 skip=1000 count=1 2> /dev/null | od -An -tx1)
  [ "$was" = " 58" ] && new=Y || new=X
  printf $new | dd of=\(file) bs=1 seek=1000 conv=notrunc 2> /dev/null
  """
}
