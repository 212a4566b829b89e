#pragma once
// What Swift cannot import from the C library and the kernel's headers: macros with arguments, variadic
// functions, structures too new for the distribution's headers. One header a concern; each is safe to
// include in Embedded Swift (no Foundation, no allocation).

#include "CLinuxBase.h"
#include "CLinuxDevices.h"
#include "CLinuxLaunchPlan.h"
#include "CLinuxMount.h"
#include "CLinuxNetlink.h"
#include "CLinuxProcess.h"
#include "CLinuxSpawn.h"
#include "CLinuxTerminal.h"
#include "CLinuxThread.h"
#include "CLinuxUserNamespace.h"
#include "CLinuxFiles.h"
#include "CLinuxHook.h"
#include "CLinuxForward.h"
