# SPDX-License-Identifier: GPL-2.0-or-later
# Everything that touches files: pools, images, path safety.

noinst_LIBRARIES += storage/libstorage.a
storage_libstorage_a_SOURCES = \
	storage/image.c storage/image.h \
	storage/path.c storage/path.h \
	storage/block.c storage/block.h \
	storage/diskerr.c storage/diskerr.h \
	storage/envfile.c storage/envfile.h \
	storage/filecopy.c storage/filecopy.h \
	storage/imagestore.c storage/imagestore.h \
	storage/hostfile.c storage/hostfile.h \
	storage/hostkey.c storage/hostkey.h \
	storage/hostonly.c storage/hostonly.h \
	storage/keyfile.c storage/keyfile.h \
	storage/kittree.c storage/kittree.h \
	storage/holders.c storage/holders.h \
	storage/mountinfo.c storage/mountinfo.h \
	storage/mountvisit.c storage/mountvisit.h \
	storage/mounts.c storage/mounts.h \
	storage/netfiles.c storage/netfiles.h \
	storage/oci.c storage/oci.h \
	storage/identity.c storage/identity.h \
	storage/pool.c storage/pool.h storage/pool_driver.h \
	storage/pool_btrfs.c storage/pool_dir.c \
	storage/projquota.c storage/projquota.h \
	storage/qgroups.c storage/qgroups.h \
	storage/quota.c storage/quota.h \
	storage/ramdisk.c storage/ramdisk.h \
	storage/ramlimit.c storage/ramlimit.h \
	storage/rootfile.c storage/rootfile.h \
	storage/squash.c storage/squash.h \
	storage/streams.c storage/streams.h \
	storage/swap.c storage/swap.h \
	storage/treecopy.c storage/treecopy.h \
	storage/treedigest.c storage/treedigest.h \
	storage/treesize.c storage/treesize.h \
	storage/unpack.c storage/unpack.h
storage_libstorage_a_CFLAGS = $(AM_CFLAGS) $(BTRFSUTIL_CFLAGS) $(JANSSON_CFLAGS) $(SODIUM_CFLAGS)

# hoody-mounts: mounts what containers share, before one's init runs.
pkglibexec_PROGRAMS += storage/hoody-mounts
storage_hoody_mounts_SOURCES = storage/mounts_main.c
storage_hoody_mounts_CFLAGS = $(AM_CFLAGS) $(JANSSON_CFLAGS)
storage_hoody_mounts_LDADD = storage/libstorage.a proto/libproto.a $(JANSSON_LIBS) $(SODIUM_LIBS)

check_PROGRAMS += tests/unit/test-swap
TESTS += tests/unit/test-swap
tests_unit_test_swap_SOURCES = tests/unit/test-swap.c tests/unit/tap.h
tests_unit_test_swap_CFLAGS = $(AM_CFLAGS)
tests_unit_test_swap_LDADD = storage/libstorage.a proto/libproto.a $(BTRFSUTIL_LIBS) $(JANSSON_LIBS) $(SODIUM_LIBS)

# hoody-unpack: alone links libarchive.
pkglibexec_PROGRAMS += storage/hoody-unpack
storage_hoody_unpack_SOURCES = storage/unpack_main.c storage/unpack_cell.c storage/unpack_cell.h \
	storage/unpack_ids.c storage/unpack_ids.h
storage_hoody_unpack_CFLAGS = $(AM_CFLAGS) $(ARCHIVE_CFLAGS) $(SECCOMP_CFLAGS)
storage_hoody_unpack_LDADD = storage/libstorage.a proto/libsandbox.a proto/libproto.a $(ARCHIVE_LIBS) $(SECCOMP_LIBS)

check_PROGRAMS += tests/unit/test-streams
TESTS += tests/unit/test-streams
tests_unit_test_streams_SOURCES = tests/unit/test-streams.c tests/unit/tap.h
tests_unit_test_streams_CFLAGS = $(AM_CFLAGS) $(JANSSON_CFLAGS)
tests_unit_test_streams_LDADD = storage/libstorage.a proto/libproto.a $(JANSSON_LIBS)
