# SPDX-License-Identifier: GPL-2.0-or-later
include tests/control-api/local.mk
