#pragma once
#include <zstd.h>
#include <zstd_errors.h>

// ZSTD_d_forceIgnoreChecksum, which zstd.h shows only to those who link it statically.
static const ZSTD_dParameter CZSTD_IGNORE_CHECKSUM = ZSTD_d_experimentalParam3;
