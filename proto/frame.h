/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The one message form of all local channels (agent and courier, worker, hoodyctl): a fixed header
 * of 64 bytes in little-endian order on SOCK_SEQPACKET; a payload, when there is one, lies in a
 * memfd that its sender has sealed (F_SEAL_WRITE|SHRINK|GROW|SEAL), so that the bytes that are
 * verified cannot change before they are parsed, and no size cliff exists (default SEQPACKET
 * buffers stop at about 208 KiB, unix(7)). Pure codec: descriptors travel in proto/channel.
 *
 *   0 magic "HFRM"  4 version u16  6 type u16  8 flags u32  12 reserved u32 (0)
 *  16 id u64  24 a u64  32 b u64  40 c u64  48 size u64 (payload bytes)  56 reserved u64 (0)
 *
 * id pairs an answer with its request. What a, b and c mean stands beside each type. */
#pragma once

#include "proto/base.h"

#define FRAME_SIZE        64
#define FRAME_VERSION     1
#define FRAME_PAYLOAD_MAX (24ULL * 1024 * 1024)

enum frame_type {
	FRAME_NONE = 0,

	/* agent -> courier */
	FRAME_COURIER_SETUP = 0x0101, /* payload: JSON {api_url, node_id, node_token, user_agent,
					 ca_pem|null, response_signature: "required"|"optional",
					 keyset{…}, hostname}; once, first */
	FRAME_COURIER_KEYS = 0x0102,  /* payload: keyset JSON; any time later */
	FRAME_COURIER_POLL =
		0x0103, /* a: after, b: wait in s, c: limit; answered by one of ORDERS, FAILED */
	FRAME_COURIER_DELIVER =
		0x0104, /* payload: report batch envelope; answered by one of ACKED, FAILED */

	FRAME_COURIER_STATS = 0x0105, /* payload: statistics; answered by one of TAKEN, FAILED */

	/* courier -> agent */
	FRAME_COURIER_READY = 0x0181, /* confined and set up */
	FRAME_COURIER_ORDERS =
		0x0182, /* a: head_seq, b: count of orders (0..ORDERPACK_MAX), c: of keysets before
			   them (0..ORDERPACK_KEYSETS_MAX); payload (when there are any): so many
			   envelopes, see proto/orderpack.h */
	FRAME_COURIER_ACKED = 0x0183,  /* a: acked_seq */
	FRAME_COURIER_TAKEN = 0x0186,  /* statistics have arrived */
	FRAME_COURIER_SIGNED = 0x0185, /* in place of ORDERS, ACKED and TAKEN where the answer was
					  signed: payload: a bytes of X-Hoody-Signature, then the
					  body; b: the status. The agent verifies and reads it; the
					  others are numbers that nobody vouches for */
	FRAME_COURIER_FAILED = 0x0184, /* a: HTTP status or 0, b: Retry-After in ms or 0, c: enum
					  frame_fail; no text: the courier names nothing */

	/* worker -> a courier of its own, for one download */
	FRAME_FETCH_WISH = 0x0111,   /* payload: JSON {url, offset, max, ca_pem|null}; carries the
					end of a pipe that it writes to */
	FRAME_FETCH_DONE = 0x0191,   /* all of it has been written */
	FRAME_FETCH_FAILED = 0x0192, /* as FRAME_COURIER_FAILED */

	/* agent -> worker */
	FRAME_WORKER_JOB = 0x0201, /* payload: JSON, see agent/engine/worker.h; a: deadline in ms */
	FRAME_WORKER_AHEAD = 0x0202, /* a job that moves processes between cgroups comes next */

	/* worker -> agent */
	FRAME_WORKER_PROGRESS =
		0x0281, /* a: percent or ~0, b: bytes done, c: bytes in all; no payload */
	FRAME_WORKER_RESULT = 0x0282, /* a: 0, or a positive errno; payload: JSON result or error;
					 may carry a pidfd */

	/* hoodyctl -> agent, and the answer */
	FRAME_CTL_STATUS = 0x0301,
	FRAME_CTL_ORDERS = 0x0302, /* a: at most so many, newest first; b: only those with row id
				      below (0: all) */
	FRAME_CTL_ATTACH = 0x0303, /* payload: JSON {container}; carries the worker's end of the
				      session: a socket pair of the caller's */
	FRAME_CTL_ANSWER = 0x0381, /* payload: JSON */
	FRAME_CTL_ERROR = 0x0382,  /* payload: the error (proto/errjson.h) */

	/* hoodyctl -> worker, on the session's socket */
	FRAME_SESSION_STDIO = 0x0501,   /* a: 0, 1 or 2; carries that descriptor */
	FRAME_SESSION_RUN = 0x0502,     /* a: 1: with a terminal of b rows and c columns; payload:
					   strings, each with its NUL: TERM, then the command */
	FRAME_SESSION_CONSOLE = 0x0503, /* the container's console */

	/* worker -> hoodyctl */
	FRAME_SESSION_BEGUN = 0x0581,  /* carries the terminal's master side, when there is one */
	FRAME_SESSION_ENDED = 0x0582,  /* a: exit status; b: the signal that ended it, or 0 */
	FRAME_SESSION_FAILED = 0x0583, /* payload: the error (proto/errjson.h) */

	/* agent -> netproxy */
	FRAME_NETPROXY_SOCKET =
		0x0601, /* a: enum frame_netproxy_socket; carries it; each once, first */
	FRAME_NETPROXY_CONFIG =
		0x0602, /* payload: JSON {proxy, dns_servers, ca_pem?}; after READY, any time */

	/* netproxy -> agent, whichever was the last to connect */
	FRAME_NETPROXY_READY = 0x0682,  /* confined; once, after the sockets */
	FRAME_NETPROXY_STATUS = 0x0681, /* a: connections; payload, when the upstream is at fault:
					   text that says how; b: enum frame_netproxy_fault */

	/* agent -> portal */
	FRAME_PORTAL_SETUP = 0x0401,  /* carries the listening socket; once, first */
	FRAME_PORTAL_ANSWER = 0x0402, /* id: the request's; a: HTTP status; payload: JSON {headers,
					 body}, body a JSON value, or a string: sent as it is */
	FRAME_PORTAL_STREAM = 0x0403, /* id: the request's; its answer is a stream of chunks */
	FRAME_PORTAL_CHUNK = 0x0404,  /* id; a: 1 with the last one; payload: text */

	/* portal -> agent */
	FRAME_PORTAL_READY = 0x0481,
	FRAME_PORTAL_REQUEST =
		0x0482, /* id: of its choice; payload: JSON, see agent/api/api.h; carries
					  the connection */
	FRAME_PORTAL_GONE = 0x0483, /* id: a stream's client has left */
};

enum frame_netproxy_socket {
	/* Unix, listening: the agent comes here when it has been restarted */
	FRAME_NETPROXY_CONTROL,
	FRAME_NETPROXY_TCP, /* transparent, listening */
	FRAME_NETPROXY_UDP, /* transparent, for DNS */
	FRAME_NETPROXY_SOCKETS
};

/* A forwarder may be older than the agent: 0 is what all of them say. */
enum frame_netproxy_fault {
	FRAME_NETPROXY_UPSTREAM,
	FRAME_NETPROXY_NAME, /* the upstream's can't be resolved */
	FRAME_NETPROXY_FAULTS
};

/* Why a courier's request failed: enough to choose a back-off and a log line, nothing to be steered
 * by. */
enum frame_fail {
	FRAME_FAIL_NONE = 0,
	FRAME_FAIL_CONNECT, /* no connection, name, or route */
	FRAME_FAIL_TLS,     /* the peer could not be authenticated */
	FRAME_FAIL_TIMEOUT,
	FRAME_FAIL_HTTP,      /* a status other than 200; a: which */
	FRAME_FAIL_SIGNATURE, /* X-Hoody-Signature missing or wrong */
	FRAME_FAIL_CLOCK,     /* it verifies, and is of another time than this node's */
	FRAME_FAIL_BODY,      /* the body is not what the protocol says, or too large */
	FRAME_FAIL_COUNT
};

struct frame {
	uint16_t type;
	uint32_t flags; /* 0: there are none yet */
	uint64_t id, a, b, c;
	uint64_t size;
};

void frame_build(const struct frame *f, uint8_t ret[static FRAME_SIZE]);

/* Returns 0; -EBADMSG for a wrong size, magic, version, flags, reserved field or a payload above
 * FRAME_PAYLOAD_MAX. */
_must_check_ int frame_read(const uint8_t *bytes, size_t size, struct frame *ret);
