/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The node's own secrets, in memory that is locked and wiped: its signing key and the token.
 * Both files are read only if they are regular, ours, and nobody else's to read; what is wrong
 * is an error, never mended here.
 *
 * The key is written under a name of its own, made durable, and linked to its name: link(2)
 * never replaces, so two that make one at the same time agree on the first, and a crash leaves a
 * whole key or none. The file has the seed in hex, all else follows from it. The boot's id is
 * read here, too. */
#include "agent/common/nodekey.h"

#include <fcntl.h>
#include <sodium.h>
#include <sys/stat.h>

#include "proto/encoding.h"
#include "proto/ident.h"

#define SEED_HEX 64 /* characters */

static_assert(crypto_sign_PUBLICKEYBYTES == 32 && crypto_sign_SECRETKEYBYTES == 64 &&
		      2 * crypto_sign_SEEDBYTES == SEED_HEX,
	"Ed25519 as the header says");

static void sodium_freep(void *p)
{
	sodium_free(*(void **)p);
}

static void *secret_alloc(size_t size)
{
	void *p;

	if (sodium_init() < 0)
		abort();
	p = sodium_malloc(size);
	if (!p)
		abort();
	return p;
}

/* --- files that only we may read --- */

static int open_secret(int dir_fd, const char *name, const char *path, struct err *err, int *ret)
{
	_cleanup_(closep) int fd =
		openat(dir_fd, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY);
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0)
		return err_set(
			err, -errno, ERR_CONFIG, path, "can't read %s: %s", path, strerror(errno));
	if (!S_ISREG(st.st_mode))
		return err_set(err, -EPERM, ERR_CONFIG, path, "%s is not a regular file", path);
	if (st.st_uid != geteuid())
		return err_set(err, -EPERM, ERR_CONFIG, path,
			"%s belongs to uid %u; it must belong to uid %u", path, (unsigned)st.st_uid,
			(unsigned)geteuid());
	if (st.st_mode & 077)
		return err_set(err, -EPERM, ERR_CONFIG, path,
			"%s has mode %04o: others can get at it; it must have mode 0600", path,
			st.st_mode & 07777);
	*ret = take_fd(&fd);
	return 0;
}

static int write_and_sync(int fd, const char *text, size_t size)
{
	int r = write_all(fd, text, size);

	return r < 0 ? r : fsync(fd) < 0 ? -errno : 0;
}

/* --- the key --- */

struct held {
	struct nodekey key;
	uint8_t *secret; /* 64 bytes, sodium_malloc */
};

struct nodekey *nodekey_free(struct nodekey *k)
{
	struct held *h = (struct held *)(void *)k;

	if (!k)
		return NULL;
	sodium_free(h->secret);
	free(h);
	return NULL;
}

static struct nodekey *from_seed(const uint8_t seed[static crypto_sign_SEEDBYTES])
{
	struct held *h = xcalloc(1, sizeof(*h));
	uint8_t digest[crypto_hash_sha256_BYTES];

	h->secret = secret_alloc(crypto_sign_SECRETKEYBYTES);
	(void)crypto_sign_seed_keypair(h->key.public_key, h->secret, seed); /* always 0 */
	(void)sodium_mprotect_readonly(h->secret);                          /* hardening only */
	h->key.secret_key = h->secret;
	encoding_hex(h->key.public_key, sizeof(h->key.public_key), h->key.public_key_hex);
	(void)crypto_hash_sha256(
		digest, h->key.public_key, sizeof(h->key.public_key)); /* always 0 */
	encoding_hex(digest, 8, h->key.keyid);
	return &h->key;
}

static int read_key(int dir_fd, const char *path, struct nodekey **ret, struct err *err)
{
	_cleanup_(sodium_freep) char *text = secret_alloc(SEED_HEX + 2);
	_cleanup_(sodium_freep) uint8_t *seed = secret_alloc(crypto_sign_SEEDBYTES);
	_cleanup_(closep) int fd = -1;
	ssize_t n;
	int r;

	r = open_secret(dir_fd, NODEKEY_FILE, path, err, &fd);
	if (r < 0)
		return r;
	n = read_all(fd, text, SEED_HEX + 2);
	if (n < 0)
		return err_set(err, (int)n, ERR_CONFIG, path, "can't read %s: %s", path,
			strerror((int)-n));
	if (n == SEED_HEX + 1 && text[SEED_HEX] == '\n')
		n--;
	if (n != SEED_HEX)
		return err_set(err, -EBADMSG, ERR_CONFIG, path,
			"%s is not a key: want %d hex characters", path, SEED_HEX);
	text[SEED_HEX] = '\0';
	if (encoding_unhex(text, seed, crypto_sign_SEEDBYTES, /* any_case= */ false) < 0)
		return err_set(err, -EBADMSG, ERR_CONFIG, path,
			"%s is not a key: want %d hex characters", path, SEED_HEX);
	*ret = from_seed(seed);
	return 0;
}

static int make_key(int dir_fd, const char *path, struct err *err)
{
	_cleanup_(sodium_freep) uint8_t *seed = secret_alloc(crypto_sign_SEEDBYTES);
	_cleanup_(sodium_freep) char *text = secret_alloc(SEED_HEX + 2);
	_cleanup_(freep) char *name = xasprintf(NODEKEY_FILE ".%d.new", (int)getpid());
	_cleanup_(closep) int fd = -1;
	int r;

	randombytes_buf(seed, crypto_sign_SEEDBYTES);
	encoding_hex(seed, crypto_sign_SEEDBYTES, text);
	text[SEED_HEX] = '\n';
	(void)unlinkat(dir_fd, name, 0); /* of a predecessor with our pid */
	fd = openat(dir_fd, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0)
		return err_set(
			err, -errno, ERR_CONFIG, path, "can't write %s: %s", path, strerror(errno));
	r = write_and_sync(fd, text, SEED_HEX + 1);
	if (r == 0 && linkat(dir_fd, name, dir_fd, NODEKEY_FILE, 0) < 0 && errno != EEXIST)
		r = -errno;
	(void)unlinkat(dir_fd, name, 0); /* a left name is harmless */
	if (r == 0 && fsync(dir_fd) < 0)
		r = -errno;
	return r < 0 ? err_set(err, r, ERR_CONFIG, path, "can't write %s: %s", path, strerror(-r))
		     : 0;
}

int nodekey_load(const char *state_directory, bool create, struct nodekey **ret, struct err *err)
{
	_cleanup_(freep) char *path = xasprintf("%s/" NODEKEY_FILE, state_directory);
	_cleanup_(closep) int dir_fd = -1;
	int r;

	if (create && mkdir(state_directory, 0700) < 0 && errno != EEXIST)
		return err_set(err, -errno, ERR_CONFIG, state_directory,
			"can't make the state directory %s: %s", state_directory, strerror(errno));
	dir_fd = open(state_directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (dir_fd < 0)
		return err_set(err, -errno, ERR_CONFIG, state_directory,
			"can't open the state directory %s: %s", state_directory, strerror(errno));
	if (create && faccessat(dir_fd, NODEKEY_FILE, F_OK, AT_SYMLINK_NOFOLLOW) < 0 &&
		errno == ENOENT) {
		r = make_key(dir_fd, path, err);
		if (r < 0)
			return r;
	}
	return read_key(dir_fd, path, ret, err);
}

/* --- the token --- */

char *nodekey_token_free(char *token)
{
	sodium_free(token);
	return NULL;
}

int nodekey_token_read(const char *path, char **ret, struct err *err)
{
	_cleanup_(sodium_freep) char *text = NULL;
	_cleanup_(closep) int fd = -1;
	ssize_t n;
	int r;

	r = open_secret(AT_FDCWD, path, path, err, &fd);
	if (r < 0)
		return r;
	text = secret_alloc(NODEKEY_TOKEN_MAX + 2);
	n = read_all(fd, text, NODEKEY_TOKEN_MAX + 2);
	if (n < 0)
		return err_set(err, (int)n, ERR_CONFIG, path, "can't read %s: %s", path,
			strerror((int)-n));
	while (n > 0 && strchr(" \t\r\n", text[n - 1]))
		n--;
	if (n < 1 || n > NODEKEY_TOKEN_MAX)
		return err_set(err, -EBADMSG, ERR_CONFIG, path,
			"%s does not hold a token of 1 to %d bytes", path, NODEKEY_TOKEN_MAX);
	for (ssize_t i = 0; i < n; i++)
		if (text[i] <= ' ' || text[i] > '~') /* it goes into a header line */
			return err_set(err, -EBADMSG, ERR_CONFIG, path,
				"%s holds other bytes than visible ASCII in one line", path);
	text[n] = '\0';
	*ret = TAKE(text);
	return 0;
}

/* --- the boot --- */

int nodekey_boot_id(char ret[static 32 + 1])
{
	_cleanup_(closep) int fd = open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC);
	char text[64], id[33];
	ssize_t n, k = 0;

	if (fd < 0)
		return -errno;
	n = read_all(fd, text, sizeof(text));
	if (n < 0)
		return (int)n;
	for (ssize_t i = 0; i < n && k < 32; i++)
		if (text[i] != '-')
			id[k++] = text[i];
	id[k] = '\0';
	if (!ident_is_hex(id, 32))
		return -EBADMSG;
	memcpy(ret, id, sizeof(id));
	return 0;
}
