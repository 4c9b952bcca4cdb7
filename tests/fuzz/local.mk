# SPDX-License-Identifier: GPL-2.0-or-later
# Fuzz targets: libFuzzer programs with --enable-fuzzing, else replays of the kept corpora in make check.
#
# A target is its name here and tests/fuzz/fuzz-<name>.c; all else are automake's defaults, which are given
# below. The linker takes out of the libraries what a target calls.

fuzz_targets = \
	tests/fuzz/fuzz-acl \
	tests/fuzz/fuzz-channel \
	tests/fuzz/fuzz-conf \
	tests/fuzz/fuzz-console \
	tests/fuzz/fuzz-dns \
	tests/fuzz/fuzz-dnstable \
	tests/fuzz/fuzz-dsse \
	tests/fuzz/fuzz-encoding \
	tests/fuzz/fuzz-envfile \
	tests/fuzz/fuzz-firewall \
	tests/fuzz/fuzz-frame \
	tests/fuzz/fuzz-http \
	tests/fuzz/fuzz-ident \
	tests/fuzz/fuzz-jsonx \
	tests/fuzz/fuzz-keyfile \
	tests/fuzz/fuzz-keyset \
	tests/fuzz/fuzz-mountinfo \
	tests/fuzz/fuzz-netlink \
	tests/fuzz/fuzz-oci \
	tests/fuzz/fuzz-order \
	tests/fuzz/fuzz-orderpack \
	tests/fuzz/fuzz-proxy \
	tests/fuzz/fuzz-proxydoc \
	tests/fuzz/fuzz-reply \
	tests/fuzz/fuzz-request \
	tests/fuzz/fuzz-respsig \
	tests/fuzz/fuzz-rotate \
	tests/fuzz/fuzz-streams \
	tests/fuzz/fuzz-terminal \
	tests/fuzz/fuzz-upstream \
	tests/fuzz/fuzz-url \
	tests/fuzz/fuzz-worker

if FUZZING
noinst_PROGRAMS += $(fuzz_targets)
fuzz_main = $(FUZZ_LDFLAGS)
else
check_PROGRAMS += $(fuzz_targets)
check_LIBRARIES += tests/fuzz/libreplay.a
TESTS += $(fuzz_targets)
tests_fuzz_libreplay_a_SOURCES = tests/fuzz/replay.c
fuzz_main = tests/fuzz/libreplay.a
endif

LDADD = $(fuzz_main) $(AGENT_FLOORS) netns/libforward.a storage/libstorage.a lxc/libct.a \
	netfilter/libnetfilter.a netns/libnetns.a proto/libchannel.a proto/libproto.a $(NFTNL_LIBS) \
	$(MNL_LIBS) $(SYSTEMD_LIBS) $(SQLITE_LIBS) $(INIH_LIBS) $(CURL_LIBS) $(OPENSSL_LIBS) $(ARCHIVE_LIBS) \
	$(BTRFSUTIL_LIBS) $(MICROHTTPD_LIBS) $(JANSSON_LIBS) $(SODIUM_LIBS) -lm
tests_fuzz_fuzz_http_SOURCES = tests/fuzz/fuzz-http.c agent/portal/portal_ask.c
tests_fuzz_fuzz_http_CFLAGS = $(AM_CFLAGS) $(MICROHTTPD_CFLAGS)
tests_fuzz_fuzz_url_SOURCES = tests/fuzz/fuzz-url.c agent/courier/http_rules.c
tests_fuzz_fuzz_acl_SOURCES = tests/fuzz/fuzz-acl.c storage/unpack_ids.c
tests_fuzz_fuzz_acl_CFLAGS = $(AM_CFLAGS) $(ARCHIVE_CFLAGS)
tests_fuzz_fuzz_reply_LDADD = agent/courier/libcourier.a $(LDADD) $(ZLIB_LIBS) $(ZSTD_LIBS)
tests_fuzz_fuzz_reply_CFLAGS = $(AM_CFLAGS) $(ZLIB_CFLAGS)
tests_fuzz_fuzz_terminal_SOURCES = tests/fuzz/fuzz-terminal.c agent/ctl/ctl_text.c

EXTRA_DIST += tests/fuzz/corpus tests/fuzz/dict tests/fuzz/run tests/fuzz/README.md
noinst_HEADERS += tests/fuzz/block.h tests/fuzz/fuzz.h tests/fuzz/scratch.h
