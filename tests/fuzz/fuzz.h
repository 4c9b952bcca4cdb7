/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A fuzz target is one function. With --enable-fuzzing libFuzzer calls it; otherwise
 * tests/fuzz/replay.c gives it the kept corpus, as a part of make check. */
#pragma once

#include "proto/base.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
