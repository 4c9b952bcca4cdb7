/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "agent/common/nodekey.h"

#include <sodium.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "tests/unit/tap.h"

static char dir[] = "/tmp/test-nodekey-XXXXXX";
static char path[64], token_path[64];

static void put(const char *name, const char *text, mode_t mode)
{
	FILE *f;

	(void)unlink(name);
	f = fopen(name, "we");
	if (!f || fputs(text, f) < 0 || fclose(f) != 0 || chmod(name, mode) < 0)
		TAP_BAIL("can't write %s", name);
}

/* The seed and key of RFC 8032, section 7.1, test 1. */
#define SEED   "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60"
#define PUBLIC "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a"

static void test_make(void)
{
	_cleanup_(nodekey_freep) struct nodekey *a = NULL, *b = NULL;
	uint8_t signature[64];
	struct err err = { 0 };
	struct stat st;

	TAP_EQ(nodekey_load(dir, false, &a, &err), -ENOENT, "there is none: %s", err.message);
	TAP_EQ(nodekey_load(dir, true, &a, &err), 0, "make one: %s", err.message);
	TAP_OK(stat(path, &st) == 0 && (st.st_mode & 07777) == 0600 && st.st_size == 65,
		"its file");
	TAP_EQ(nodekey_load(dir, true, &b, &err), 0, "load it");
	TAP_STREQ(a->public_key_hex, b->public_key_hex, "is the same");
	TAP_OK(strlen(a->public_key_hex) == 64 && strlen(a->keyid) == 16, "hex");
	(void)crypto_sign_detached(signature, NULL, (const uint8_t *)"x", 1, a->secret_key);
	TAP_EQ(crypto_sign_verify_detached(signature, (const uint8_t *)"x", 1, b->public_key), 0,
		"signs");
	TAP_EQ(rename(path, token_path), 0, "move it away");
	a = nodekey_free(a);
	TAP_EQ(nodekey_load(dir, true, &a, &err), 0, "make another");
	TAP_OK(strcmp(a->public_key_hex, b->public_key_hex) != 0, "is another");
}

static void test_known(void)
{
	_cleanup_(nodekey_freep) struct nodekey *k = NULL;
	struct err err = { 0 };

	put(path, SEED "\n", 0600);
	TAP_EQ(nodekey_load(dir, false, &k, &err), 0, "a known seed");
	TAP_STREQ(k->public_key_hex, PUBLIC, "has its public key");
	TAP_STREQ(k->keyid, "21fe31dfa154a261", "and its key id (SHA-256)");
}

static void test_refused(void)
{
	static const struct {
		const char *name, *text;
		mode_t mode;
		int r;
	} cases[] = {
		{ "empty", "", 0600, -EBADMSG },
		{ "short", "9d61", 0600, -EBADMSG },
		{ "long", SEED "00\n", 0600, -EBADMSG },
		{ "two lines", SEED "\n\n", 0600, -EBADMSG },
		{ "not hex", "zz61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60\n",
			0600, -EBADMSG },
		{ "group can read", SEED "\n", 0640, -EPERM },
		{ "others can write", SEED "\n", 0602, -EPERM },
	};
	struct err err = { 0 };
	struct nodekey *k = NULL;

	for (size_t i = 0; i < countof(cases); i++) {
		put(path, cases[i].text, cases[i].mode);
		TAP_EQ(nodekey_load(dir, true, &k, &err), cases[i].r, "%s: refused", cases[i].name);
		TAP_OK(strstr(err.message, path) && !strstr(err.message, "9d61"), "%s: %s",
			cases[i].name, err.message);
	}
	(void)unlink(path);
	TAP_EQ(symlink("/etc/passwd", path), 0, "a symlink");
	TAP_OK(nodekey_load(dir, true, &k, &err) < 0, "is refused: %s", err.message);
	(void)unlink(path);
	put(path, SEED "\n", 0600);
	if (geteuid() != 0) {
		TAP_SKIP("only root can give a file away");
		return;
	}
	TAP_EQ(chown(path, 12345, 0), 0, "somebody else's");
	TAP_EQ(nodekey_load(dir, true, &k, &err), -EPERM, "is refused: %s", err.message);
}

/* Many at once agree on one key. */
static void test_race(void)
{
	_cleanup_(nodekey_freep) struct nodekey *k = NULL;
	int status, good = 0;

	(void)unlink(path);
	for (int i = 0; i < 8; i++)
		if (fork() == 0) {
			struct nodekey *mine = NULL, *again = NULL;
			bool same = nodekey_load(dir, true, &mine, NULL) == 0 &&
				    nodekey_load(dir, true, &again, NULL) == 0 &&
				    strcmp(mine->public_key_hex, again->public_key_hex) == 0;

			(void)nodekey_free(mine);
			(void)nodekey_free(again);
			_exit(same ? 0 : 1);
		}
	for (int i = 0; i < 8; i++)
		good += wait(&status) > 0 && status == 0;
	TAP_EQ(good, 8, "all of 8 have the same key");
}

static void test_token(void)
{
	static const struct {
		const char *text;
		mode_t mode;
		int r;
	} cases[] = {
		{ "abc.DEF-123~\n", 0600, 0 },
		{ "abc.DEF-123~", 0400, 0 },
		{ "abc.DEF-123~ \r\n", 0600, 0 },
		{ "", 0600, -EBADMSG },
		{ "\n", 0600, -EBADMSG },
		{ "a\nb\n", 0600, -EBADMSG },
		{ "a b\n", 0600, -EBADMSG },
		{ "\x80\n", 0600, -EBADMSG },
		{ "abc\n", 0644, -EPERM },
	};
	char large[NODEKEY_TOKEN_MAX + 8];
	struct err err = { 0 };

	for (size_t i = 0; i < countof(cases); i++) {
		_cleanup_(nodekey_token_freep) char *token = NULL;

		put(token_path, cases[i].text, cases[i].mode);
		TAP_EQ(nodekey_token_read(token_path, &token, &err), cases[i].r, "token %zu", i);
		TAP_OK(cases[i].r || strcmp(token, "abc.DEF-123~") == 0, "token %zu: its text", i);
	}
	for (size_t n = NODEKEY_TOKEN_MAX; n < NODEKEY_TOKEN_MAX + 4; n++) {
		_cleanup_(nodekey_token_freep) char *token = NULL;

		memset(large, 'x', n);
		large[n] = '\0';
		put(token_path, large, 0600);
		TAP_EQ(nodekey_token_read(token_path, &token, &err),
			n > NODEKEY_TOKEN_MAX ? -EBADMSG : 0, "%zu bytes", n);
	}
}

static void test_boot_id(void)
{
	char a[33], b[33];

	TAP_EQ(nodekey_boot_id(a), 0, "boot id");
	TAP_EQ(nodekey_boot_id(b), 0, "again");
	TAP_OK(strlen(a) == 32 && strcmp(a, b) == 0, "is 32 hex characters and stays");
}

int main(void)
{
	if (!mkdtemp(dir))
		TAP_BAIL("no directory");
	(void)snprintf(path, sizeof(path), "%s/" NODEKEY_FILE, dir);
	(void)snprintf(token_path, sizeof(token_path), "%s/token", dir);
	test_make();
	test_known();
	test_refused();
	test_race();
	test_token();
	test_boot_id();
	(void)unlink(path);
	(void)unlink(token_path);
	TAP_EQ(rmdir(dir), 0, "nothing else was left");
	return tap_done();
}
