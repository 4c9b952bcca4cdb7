# SPDX-License-Identifier: GPL-2.0-or-later
# Everything that touches files: pools, images, path safety.

noinst_LIBRARIES += storage/libstorage.a
storage_libstorage_a_SOURCES = \
	storage/image.c storage/image.h \
	storage/path.c storage/path.h \
	storage/pool.c storage/pool.h
