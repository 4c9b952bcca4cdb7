/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The reference control API: serves the node protocol from its page alone, so that it checks the
 * agent instead of sharing its mistakes. Nothing of the agent's decoding is used here (base.h's six
 * macros are). One thread, one poll loop. */
#pragma once

#include <jansson.h>
#include <microhttpd.h>
#include <poll.h>

#include "proto/base.h"

#define API_KEYS_MAX 8
#define API_LINE_MAX (8 * 1024 * 1024)
#define API_BODY_MAX (16 * 1024 * 1024)
#define API_NODES_ID 24

struct api_key {
	char kid[33];
	uint8_t public_key[32], secret_key[64];
};

struct api_order { /* as issued */
	uint64_t seq;
	char id[25];
	char *envelope;
	int64_t issued_ms, fetched_ms;
	char *terminal;     /* body of its terminal report */
	unsigned terminals; /* different ones */
	struct api_order *hash_next;
};

struct api_report {
	uint64_t seq;
	char *text; /* one JSON object */
};

struct api_misbehaviour {
	char what[24], on[12];
	unsigned count;
	int64_t ms;
	int status;
};

#define API_HASH 65536

struct api {
	struct MHD_Daemon *daemon;
	char *state_dir, *log_path, url[300];
	int log_fd;
	char node_id[25], node_token[65];
	uint8_t node_key[32];
	bool has_node_key;
	int64_t now_offset_ms;
	bool steady; /* whoever sets the host's clock doesn't set ours */

	size_t n_keys, active;
	struct api_key keys[API_KEYS_MAX], stranger;
	int keyset_version;

	struct api_order **orders; /* by seq */
	size_t n_orders, a_orders;
	struct api_order *by_id[API_HASH];
	uint64_t next_seq;
	char *raw[256]; /* envelopes that are handed out once, whatever `after` says */
	size_t n_raw;

	struct api_report *reports;
	size_t n_reports, a_reports;
	uint64_t acked_seq, last_after;
	uint8_t prev[32];
	bool has_prev;

	bool fleet; /* nodes with any id may poll, with the one token; only node_id has orders */
	struct api_poll *polls, *last_poll; /* waiting */
	size_t n_waiting;
	struct api_client *clients;
	struct api_misbehaviour misbehave;
	uint64_t n_asked, n_polls, n_batches, n_duplicates, n_terminal, n_bytes_in;
	json_t *violations;
	int64_t first_terminal_ms, last_terminal_ms;
	char rotate_order[25];
	size_t rotate_key;
	bool no_stats;  /* POST …/stats is not known here */
	bool no_packed; /* nor are compressed batches (section 10.2) */
	uint64_t n_packed, batch_bytes, batch_payload_bytes; /* as they came; and what was signed */
	json_t *stats;                                       /* the newest statistics, or NULL */
	uint64_t n_stats;
	json_t *pace;    /* meta.pace of every answer (section 10.1), or NULL */
	json_t *keysets; /* sent beside orders (section 10.10), or NULL */
	bool quit;
};

/* sign.c: encodings, DSSE, keys */
int64_t api_now_ms(const struct api *api); /* NULL: of a clock that nobody sets, for deadlines */
void api_time(int64_t ms, char ret[static 25]);
bool api_is_time(const char *s);
void api_hex(const void *data, size_t size, char *ret);
bool api_unhex(const char *s, void *ret, size_t size);
char *api_base64(const void *data, size_t size);
uint8_t *api_unbase64(const char *s, size_t *ret_size);
char *api_dsse(const char *type, const void *payload, size_t size, const char *kid,
	const uint8_t *secret_key);
json_t *api_dsse_open(const char *envelope, const char *type, const uint8_t *public_key,
	char **ret_payload, size_t *ret_size, const char **ret_why);
void api_keys_load(struct api *api);
json_t *api_keyset_json(const struct api *api);
void api_write_trusted_keys(const struct api *api);
void api_new_key(struct api *api, const char *kid);
char *api_sign_response(const struct api *api, const struct api_key *k, const char *method,
	int status, const char *path, const void *body, size_t size);

/* store.c: orders and reports, and the log that survives us */
void api_log(struct api *api, const char *kind, json_t *v_steals);
void api_replay(struct api *api);
struct api_order *api_order_find(const struct api *api, const char *id);
struct api_order *api_order_add(
	struct api *api, uint64_t seq, const char *id, char *envelope_takes);
size_t api_first_after(const struct api *api, uint64_t after);
void api_report_add(struct api *api, uint64_t seq, const char *text);

/* check.c: is what the node says what the protocol says? */
void api_violation(struct api *api, const char *fmt, ...) _printf_(2, 3);
int api_take_batch(struct api *api, const char *envelope, size_t size, uint64_t *ret_acked);
void api_check_stats(struct api *api, const json_t *v);

/* body.c: a request's body of *size bytes as it was before it was compressed; the caller's, NULL:
 * there is none */
char *api_plain_body(struct MHD_Connection *c, const char *body, size_t *size);
char *api_batch_body(struct api *api, struct MHD_Connection *c, const char *body, size_t *size);

/* http.c: the requests of nodes */
enum MHD_Result api_handle(void *cls, struct MHD_Connection *c, const char *url, const char *method,
	const char *version, const char *upload, size_t *upload_size, void **request);
void api_request_completed(
	void *cls, struct MHD_Connection *c, void **request, enum MHD_RequestTerminationCode toe);
void api_wake_polls(struct api *api, bool timed_out_only);
void api_wake_all(struct api *api);
int64_t api_next_poll_ms(const struct api *api);

/* ctl.c: the socket by which tests drive us */
int api_ctl_listen(const char *path);
void api_ctl_accept(struct api *api, int fd);
size_t api_ctl_fds(const struct api *api, struct pollfd *fds, size_t max);
void api_ctl_run(struct api *api, const struct pollfd *fds, size_t n);
void api_ctl_event(struct api *api, const char *what, json_t *v_steals); /* to those who follow */
void api_ctl_report(struct api *api, const char *text, json_t *report);  /* wakes those who wait */
void api_ctl_timeouts(struct api *api);
int64_t api_ctl_next_ms(const struct api *api);
int api_ctl_client(const char *path, int argc, char **argv);

/* issue.c: orders made and signed */
json_t *api_issue(struct api *api, const json_t *wish);                      /* queue; the answer */
json_t *api_build(struct api *api, const json_t *wish, char **ret_envelope); /* sign only */
json_t *api_rotate(struct api *api, const json_t *wish);
