#pragma once
// The functions that decode frame by frame and block by block, and ZSTD_d_forceIgnoreChecksum: zstd.h shows them only to those who
// link it statically, though the library exports them. Layers uses nothing else of that part.
#define ZSTD_STATIC_LINKING_ONLY
#include <zstd.h>
#include <zstd_errors.h>

// A macro that Swift does not import.
static const ZSTD_dParameter CZSTD_IGNORE_CHECKSUM = ZSTD_d_forceIgnoreChecksum;
