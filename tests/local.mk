# SPDX-License-Identifier: GPL-2.0-or-later
# Tools of the tests, and what has to be in the tarball so that it can test itself.

include tests/control-api/local.mk
include tests/fleet/local.mk
include tests/fuzz/local.mk

noinst_PROGRAMS += tests/tools/failnth
tests_tools_failnth_SOURCES = tests/tools/failnth.c
tests_tools_failnth_CFLAGS = $(AM_CFLAGS) $(SECCOMP_CFLAGS)
tests_tools_failnth_LDADD = $(SECCOMP_LIBS)

# A library that is preloaded, and links none of those that it stands before.
noinst_PROGRAMS += tests/tools/failcall.so
tests_tools_failcall_so_SOURCES = tests/tools/failcall.c
tests_tools_failcall_so_CFLAGS = $(AM_CFLAGS) -fPIC $(LXC_CFLAGS) $(SQLITE_CFLAGS)
tests_tools_failcall_so_LDFLAGS = -shared $(SAN_CFLAGS) $(COV_CFLAGS)
tests_tools_failcall_so_LDADD =

noinst_PROGRAMS += tests/tools/clockset.so
tests_tools_clockset_so_SOURCES = tests/tools/clockset.c
tests_tools_clockset_so_CFLAGS = $(AM_CFLAGS) -fPIC
tests_tools_clockset_so_LDFLAGS = -shared $(SAN_CFLAGS) $(COV_CFLAGS)
tests_tools_clockset_so_LDADD =

noinst_PROGRAMS += tests/tools/fwdrive tests/tools/flood tests/tools/mountdrive
noinst_PROGRAMS += tests/tools/linkdrive
tests_tools_linkdrive_SOURCES = tests/tools/linkdrive.c
tests_tools_linkdrive_CFLAGS = $(AM_CFLAGS) -pthread $(NL_CFLAGS)
tests_tools_linkdrive_LDADD = netns/libnetns.a proto/libproto.a $(NL_LIBS) $(MNL_LIBS)
noinst_PROGRAMS += tests/tools/rtnl-hold
tests_tools_rtnl_hold_SOURCES = tests/tools/rtnl-hold.c
tests_tools_rtnl_hold_CFLAGS = $(AM_CFLAGS) -pthread

noinst_PROGRAMS += tests/tools/opends
tests_tools_opends_SOURCES = tests/tools/opends.c
tests_tools_opends_CFLAGS = $(AM_CFLAGS) $(JANSSON_CFLAGS) $(SODIUM_CFLAGS)
tests_tools_opends_LDADD = proto/libproto.a $(JANSSON_LIBS) $(SODIUM_LIBS)
tests_tools_mountdrive_SOURCES = tests/tools/mountdrive.c
tests_tools_mountdrive_CFLAGS = $(AM_CFLAGS) $(JANSSON_CFLAGS)
tests_tools_mountdrive_LDADD = storage/libstorage.a proto/libproto.a $(JANSSON_LIBS) $(SODIUM_LIBS)
tests_tools_flood_SOURCES = tests/tools/flood.c
tests_tools_flood_LDADD =
tests_tools_fwdrive_SOURCES = tests/tools/fwdrive.c
tests_tools_fwdrive_CFLAGS = $(AM_CFLAGS) $(JANSSON_CFLAGS) $(SODIUM_CFLAGS) $(NFTNL_CFLAGS) $(MNL_CFLAGS)
tests_tools_fwdrive_LDADD = netfilter/libnetfilter.a proto/libproto.a $(NFTNL_LIBS) $(MNL_LIBS) \
	$(JANSSON_LIBS) $(SODIUM_LIBS)

noinst_PROGRAMS += tests/tools/evil-courier
tests_tools_evil_courier_SOURCES = tests/tools/evil-courier.c
tests_tools_evil_courier_CFLAGS = $(AM_CFLAGS) $(JANSSON_CFLAGS) $(SODIUM_CFLAGS) $(SYSTEMD_CFLAGS) $(SECCOMP_CFLAGS)
tests_tools_evil_courier_LDADD = proto/libsandbox.a proto/libchannel.a proto/libproto.a $(SYSTEMD_LIBS) \
	$(SECCOMP_LIBS) $(JANSSON_LIBS) $(SODIUM_LIBS)

noinst_PROGRAMS += tests/tools/evil-leaf
tests_tools_evil_leaf_SOURCES = tests/tools/evil-leaf.c
tests_tools_evil_leaf_CFLAGS = $(AM_CFLAGS) $(SECCOMP_CFLAGS)
tests_tools_evil_leaf_LDADD = proto/libsandbox.a proto/libchannel.a proto/libproto.a $(SYSTEMD_LIBS) \
	$(SECCOMP_LIBS) $(JANSSON_LIBS) $(SODIUM_LIBS)

noinst_PROGRAMS += tests/bench/bare-start
tests_bench_bare_start_SOURCES = tests/bench/bare-start.c
tests_bench_bare_start_CFLAGS = $(AM_CFLAGS) $(JANSSON_CFLAGS) $(LXC_CFLAGS)
tests_bench_bare_start_LDADD = lxc/libct.a proto/libproto.a $(LXC_LIBS) $(JANSSON_LIBS)

EXTRA_DIST += tests/run tests/suite.tsv tests/RESULTS.md tests/TESTING.md tests/unit/runner.py tests/lib \
	tests/lint tests/kernel tests/attack tests/flow tests/crash tests/system tests/bench/firewall.py \
	tests/bench/fleet.py tests/bench/growth.py tests/bench/growth.svg tests/bench/idle.py \
	tests/bench/local-api.py tests/bench/run tests/bench/README.md tests/bench/peers.svg \
	tests/bench/orders.py tests/bench/start.py tests/bench/stats.py tests/bench/storage.py
dist-hook:
	find '$(distdir)/tests' -name __pycache__ -prune -exec rm -rf {} +

noinst_PROGRAMS += tests/bench/scrape
tests_bench_scrape_SOURCES = tests/bench/scrape.c
tests_bench_scrape_CFLAGS = $(AM_CFLAGS) $(MNL_CFLAGS)
tests_bench_scrape_LDADD = lxc/libct.a netns/libnetns.a proto/libproto.a $(MNL_LIBS) $(JANSSON_LIBS) $(SODIUM_LIBS)

noinst_PROGRAMS += tests/bench/fleet
tests_bench_fleet_SOURCES = tests/bench/fleet.c
tests_bench_fleet_CFLAGS = $(AM_CFLAGS) $(CURL_CFLAGS) $(SODIUM_CFLAGS) $(SYSTEMD_CFLAGS)
tests_bench_fleet_LDADD = agent/courier/libcourier.a agent/common/libcommon.a proto/libchannel.a \
	proto/libproto.a $(CURL_LIBS) $(JANSSON_LIBS) $(SODIUM_LIBS) $(SYSTEMD_LIBS) $(ZLIB_LIBS) $(ZSTD_LIBS)
