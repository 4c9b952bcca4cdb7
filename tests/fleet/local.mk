# SPDX-License-Identifier: GPL-2.0-or-later
# A fleet of the product's own back-off and poll state machine, in made-up time and by sockets.

FLEETNODE = tests/fleet/fleetnode.c tests/fleet/fleetnode.h
FLEETNODE_CFLAGS = $(AM_CFLAGS) $(JANSSON_CFLAGS) $(SODIUM_CFLAGS) $(SYSTEMD_CFLAGS)
FLEETNODE_LDADD = agent/uplink/libuplink.a agent/common/libcommon.a proto/libproto.a $(JANSSON_LIBS) $(SODIUM_LIBS)

noinst_PROGRAMS += tests/fleet/herd
TESTS += tests/fleet/herd
tests_fleet_herd_SOURCES = tests/fleet/herd.c $(FLEETNODE) tests/unit/tap.h
tests_fleet_herd_CFLAGS = $(FLEETNODE_CFLAGS)
tests_fleet_herd_LDADD = $(FLEETNODE_LDADD)

noinst_PROGRAMS += tests/fleet/fleet
tests_fleet_fleet_SOURCES = tests/fleet/fleet.c $(FLEETNODE)
tests_fleet_fleet_CFLAGS = $(FLEETNODE_CFLAGS)
tests_fleet_fleet_LDADD = $(FLEETNODE_LDADD) $(SYSTEMD_LIBS)

EXTRA_DIST += tests/fleet/fleet.py
