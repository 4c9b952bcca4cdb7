/* SPDX-License-Identifier: GPL-2.0-or-later */
/* hoodyctl enroll (PROTOCOL.md section 1): exchange a one-time token for the node's id, its
 * token and the keyset that it will trust.
 *
 * Whatever can be refused without asking is refused before the token is spent. What comes back
 * is judged whole before anything is written, and the drop-in that makes it count is written
 * last: a crash in between leaves a node that is not enrolled, and enrolling again is the cure.
 * This is the one moment of trust on first use: the response can't be signed by a key that we
 * already trust, so TLS (or the loopback) vouches for the keyset. A node that has a keyset
 * already therefore keeps it unless --force is given. */
#include "agent/common/nodekey.h"
#include "agent/ctl/ctl_ask.h"
#include "agent/ctl/ctl_conf.h"
#include "agent/ctl/ctl_file.h"
#include "agent/ctl/ctl_out.h"
#include "agent/ctl/ctl_post.h"
#include "agent/ctl/ctl_text.h"
#include "proto/ident.h"
#include "proto/jsonx.h"
#include "proto/keyset.h"
#include "proto/opfield.h"

/* beside the configuration, when Control.TokenFile is unset */
#define TOKEN_FILE_DEFAULT "node-token"
#define ENROL_TOKEN_MAX    4096

struct enrolment {
	const struct ctl *ctl;
	struct conf conf;
	const char *config_path;
	char *url, *ca; /* "" : none */
	char *token_path, *dropin_path;
	struct nodekey *key;
	json_t *answer; /* owns the strings below */
	const char *node_id, *node_token;
	char *keyset; /* as it will be written */
	int64_t version;
};

static void enrolment_done(struct enrolment *e)
{
	conf_done(&e->conf);
	free(e->url);
	free(e->ca);
	free(e->token_path);
	free(e->dropin_path);
	free(e->keyset);
	json_decref(e->answer);
	e->key = nodekey_free(e->key);
}

/* --- before the question --- */

static bool is_visible(const char *s, size_t max)
{
	size_t n = 0;

	for (; s[n]; n++)
		if (s[n] <= ' ' || s[n] > '~')
			return false;
	return n > 0 && n <= max;
}

static enum ctl_exit usage(struct err *err, const char *field, const char *text)
{
	(void)err_set(err, -EINVAL, ERR_INVALID_PARAMS, field, "%s: %s", field, text);
	return CTL_USAGE;
}

/* A relative path would mean another file to the agent. */
static char *absolute(const char *path)
{
	_cleanup_(freep) char *cwd = *path == '/' ? NULL : getcwd(NULL, 0);

	return cwd ? xasprintf("%s/%s", cwd, path) : xstrdup(path);
}

static enum ctl_exit prepare(struct enrolment *e, struct err *err)
{
	const struct ctl *ctl = e->ctl;
	_cleanup_(freep) char *config = NULL, *dir = NULL;
	enum ctl_exit x = ctl_conf_read(ctl, &e->conf, err);
	size_t len;

	if (x != CTL_OK)
		return x;
	e->url = xstrdup(ctl->url ? ctl->url : e->conf.control.api_url);
	for (len = strlen(e->url); len > 0 && e->url[len - 1] == '/'; len--)
		e->url[len - 1] = '\0';
	if (!opfield_is_api_url(e->url))
		return usage(err, "--url",
			*e->url ? "want an https URL, or an http URL of a loopback address"
				: "is needed, since Control.ApiUrl is not set");
	if (*e->conf.node.node_id && !ctl->force) {
		(void)err_set(err, -EEXIST, ERR_CONFIG, "Node.NodeId",
			"this node is enrolled already, as %s; --force enrols it anew",
			e->conf.node.node_id);
		return CTL_FAILED;
	}
	e->ca = ctl->ca ? absolute(ctl->ca) : xstrdup(e->conf.control.ca_file);
	config = absolute(e->config_path);
	e->dropin_path = xasprintf("%s.d/50-enrol.conf", config);
	dir = xstrdup(config);
	*strrchr(dir, '/') = '\0';
	e->token_path = *e->conf.control.token_file ? xstrdup(e->conf.control.token_file)
						    : xasprintf("%s/" TOKEN_FILE_DEFAULT, dir);
	if (ctl_file_prepare(e->token_path, err) < 0 ||
		ctl_file_prepare(e->conf.control.trusted_keys, err) < 0 ||
		ctl_file_prepare(e->dropin_path, err) < 0)
		return CTL_FAILED;
	return nodekey_load(e->conf.node.state_directory, /* create= */ true, &e->key, err) < 0
		       ? CTL_FAILED
		       : CTL_OK;
}

/* --token - reads it from stdin, so that it stands in no process list. */
static enum ctl_exit read_token(
	const struct ctl *ctl, char ret[static ENROL_TOKEN_MAX + 2], struct err *err)
{
	if (!ctl->token)
		return usage(err, "--token", "is needed");
	if (strcmp(ctl->token, "-") == 0) {
		if (!fgets(ret, ENROL_TOKEN_MAX + 2, stdin))
			return usage(err, "--token", "there is none on standard input");
		ret[strcspn(ret, " \r\n")] = '\0';
	} else {
		(void)snprintf(ret, ENROL_TOKEN_MAX + 2, "%s", ctl->token);
	}
	if (!is_visible(ret, ENROL_TOKEN_MAX))
		return usage(err, "--token", "want 1 to 4096 visible ASCII characters");
	return CTL_OK;
}

/* --- the question --- */

static enum ctl_exit refuse(long status, const json_t *answer, struct err *err)
{
	const char *code = ctl_text_of(answer, "error"), *message = ctl_text_of(answer, "message");

	(void)err_set(err, -EACCES, ERR_INTERNAL, NULL, "the control API refused: %ld %s: %s",
		status, code ? code : "", message ? message : "no reason given");
	return CTL_FAILED;
}

static enum ctl_exit ask(struct enrolment *e, const char *token, struct err *err)
{
	_cleanup_(freep) char *url = xasprintf("%s/nodes/enroll", e->url);
	_cleanup_(freep) char *body = NULL, *text = NULL;
	_cleanup_json_ json_t *question = NULL;
	char host[CONF_HOST_NAME_SIZE];
	size_t size;
	long status;
	int r;

	conf_host_name(host);
	question = jsonx_pack("{s:s, s:s, s:s, s:s}", "token", token, "public_key_hex",
		e->key->public_key_hex, "hostname", host, "agent_version", PACKAGE_VERSION);
	body = jsonx_dump(question);
	r = ctl_post(url, *e->ca ? e->ca : NULL, body, &text, &size, &status, err);
	explicit_bzero(body, strlen(body));
	if (r < 0)
		return CTL_UNREACHABLE;
	if (jsonx_parse(text, size, ERR_INTERNAL, &e->answer, err) < 0 ||
		!json_is_object(e->answer)) {
		(void)err_set(err, -EBADMSG, ERR_INTERNAL, NULL,
			"%s answered %ld, with something that is no JSON object", url, status);
		return CTL_FAILED;
	}
	return status == 200 || status == 201 ? CTL_OK : refuse(status, e->answer, err);
}

/* --- the answer --- */

static int judge(struct enrolment *e, struct err *err)
{
	const json_t *data = json_object_get(e->answer, "data");
	_cleanup_(freep) char *keyset_text = NULL;
	struct keyset keyset;
	int r;

	if (!json_is_object(data))
		return err_set(err, -EBADMSG, ERR_INTERNAL, "data", "the answer has no data");
	r = jsonx_string(data, "node_id", true, &e->node_id, ERR_INTERNAL, err);
	if (r == 0)
		r = jsonx_string(data, "node_token", true, &e->node_token, ERR_INTERNAL, err);
	if (r < 0)
		return r;
	if (!ident_is_id(e->node_id))
		return err_set(err, -EBADMSG, ERR_INTERNAL, "node_id",
			"node_id is not 24 lowercase hex characters");
	if (!is_visible(e->node_token, NODEKEY_TOKEN_MAX))
		return err_set(err, -EBADMSG, ERR_INTERNAL, "node_token",
			"node_token is not visible ASCII of at most %d bytes", NODEKEY_TOKEN_MAX);
	if (!json_is_object(json_object_get(data, "keyset")))
		return err_set(err, -EBADMSG, ERR_INTERNAL, "keyset", "the answer has no keyset");
	keyset_text = jsonx_dump(json_object_get(data, "keyset"));
	r = keyset_parse(keyset_text, strlen(keyset_text), &keyset, err);
	if (r < 0)
		return err_add(err, r, "keyset");
	free(TAKE(keyset_text));
	e->version = keyset.version;
	keyset_text = keyset_format(&keyset);
	e->keyset = xasprintf("%s\n", keyset_text);
	return 0;
}

/* A keyset that is there already stays unless it says the same. */
static int compare_keyset(const struct enrolment *e, struct err *err)
{
	const char *path = e->conf.control.trusted_keys;
	_cleanup_(freep) char *text = NULL, *same = NULL;
	struct keyset present;
	size_t size;
	int r = ctl_file_read(path, (size_t)KEYSET_FILE_MAX, &text, &size, err);

	if (r == -ENOENT || e->ctl->force)
		return 0;
	if (r < 0)
		return r;
	if (keyset_parse(text, size, &present, NULL) == 0)
		same = keyset_format(&present);
	if (same && strncmp(same, e->keyset, strlen(same)) == 0 &&
		strcmp(e->keyset + strlen(same), "\n") == 0)
		return 0;
	return err_set(err, -EEXIST, ERR_CONFIG, path,
		"%s holds another keyset than the control API sent; nothing was written. If the "
		"new one is to be trusted, enrol "
		"again with --force",
		path);
}

/* Of the keyset that a running agent has in its state; else 0. */
static int64_t version_by_orders(const struct ctl *ctl)
{
	_cleanup_json_ json_t *status = NULL;
	struct err ignored = {};

	return ctl_ask(ctl, FRAME_CTL_STATUS, 0, &status, &ignored) == CTL_OK
		       ? json_integer_value(json_object_get(status, "keyset_by_orders"))
		       : 0;
}

static char *format_dropin(const struct enrolment *e)
{
	_cleanup_(freep) char *ca = *e->ca ? xasprintf("CaFile=%s\n", e->ca) : xstrdup("");

	return xasprintf("# Written by hoodyctl "
			 "enroll.\n[Node]\nNodeId=%s\n\n[Control]\nApiUrl=%s\nTokenFile=%s\n%s",
		e->node_id, e->url, e->token_path, ca);
}

static int keep_all(const struct enrolment *e, struct err *err)
{
	_cleanup_(freep) char *token = xasprintf("%s\n", e->node_token), *dropin = format_dropin(e);
	int r = ctl_file_write(e->token_path, token, 0600, err);

	explicit_bzero(token, strlen(token));
	/* Often just copied there: a node that loses it to a power cut can't be reached any
	 * more. */
	if (r == 0 && *e->ca)
		r = ctl_file_sync(e->ca, err);
	if (r == 0)
		r = ctl_file_write(e->conf.control.trusted_keys, e->keyset, 0644, err);
	if (r == 0)
		r = ctl_file_write(e->dropin_path, dropin, 0644, err);
	return r;
}

/* What was written must be what the agent will go by: a later drop-in could say otherwise, and so
 * does a newer keyset in its state. */
static int verify(const struct enrolment *e, struct err *err)
{
	const int64_t by_orders = version_by_orders(e->ctl);
	_cleanup_conf_ struct conf c = { 0 };
	int r = conf_load(e->config_path, &c, err);

	if (r < 0)
		return err_add(err, r, "enrolled, but the configuration is not valid now");
	if (strcmp(c.node.node_id, e->node_id) != 0 || strcmp(c.control.api_url, e->url) != 0 ||
		strcmp(c.control.token_file, e->token_path) != 0)
		return err_set(err, -EEXIST, ERR_CONFIG, e->dropin_path,
			"enrolled, but a file that is read after %s overrides it", e->dropin_path);
	if (by_orders > e->version)
		return err_set(err, -EEXIST, ERR_CONFIG, "Control.TrustedKeys",
			"enrolled, but the agent has had version %lld of its keys by orders, and "
			"passes over version %lld, which the control API has sent",
			(long long)by_orders, (long long)e->version);
	return 0;
}

static void report(const struct enrolment *e)
{
	_cleanup_json_ json_t *v = NULL;

	if (!e->ctl->json) {
		printf("Enrolled as node %s.\n\n", e->node_id);
		printf("  %s  the node's token\n  %s  the keys that it trusts\n  %s  its id and "
		       "the API's URL\n\n",
			e->token_path, e->conf.control.trusted_keys, e->dropin_path);
		printf("Public key %s (key id %s). Start or restart hoody-agent to begin.\n",
			e->key->public_key_hex, e->key->keyid);
		return;
	}
	v = json_object();
	jsonx_set_string(v, "node_id", e->node_id);
	jsonx_set_string(v, "public_key_hex", e->key->public_key_hex);
	jsonx_set_string(v, "keyid", e->key->keyid);
	jsonx_set_string(v, "token_file", e->token_path);
	jsonx_set_string(v, "trusted_keys", e->conf.control.trusted_keys);
	jsonx_set_string(v, "config", e->dropin_path);
	ctl_out_json(v);
}

enum ctl_exit ctl_enroll(const struct ctl *ctl, struct err *err)
{
	_cleanup_(enrolment_done) struct enrolment e = { .ctl = ctl,
		.config_path = ctl->config ? ctl->config : CONF_PATH_DEFAULT };
	char token[ENROL_TOKEN_MAX + 2] = "";
	enum ctl_exit x = read_token(ctl, token, err);

	if (x == CTL_OK)
		x = prepare(&e, err);
	if (x == CTL_OK)
		x = ask(&e, token, err);
	explicit_bzero(token, sizeof(token));
	if (x != CTL_OK)
		return x;
	if (judge(&e, err) < 0) {
		(void)err_add(err, -EBADMSG, "the control API's answer");
		return CTL_FAILED;
	}
	if (compare_keyset(&e, err) < 0 || keep_all(&e, err) < 0 || verify(&e, err) < 0)
		return CTL_FAILED;
	report(&e);
	return CTL_OK;
}
