/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "storage/hostkey.h"

#include <arpa/inet.h>
#include <sodium.h>

#include "proto/encoding.h"
#include "storage/rootfile.h"

#define KIND         "ssh-ed25519"
#define COMMENT_MAX  80
#define BLOB_MAX     512 /* all but the comment has a fixed size, some 300 */
#define TEXT_MAX     1024
#define LINE         70 /* characters, as ssh-keygen(1) writes them */
#define CIPHER_BLOCK 8  /* of cipher "none" */
#define BEGIN        "-----BEGIN OPENSSH PRIVATE KEY-----\n"
#define END          "-----END OPENSSH PRIVATE KEY-----\n"

struct blob {
	uint8_t data[BLOB_MAX];
	size_t size;
};

struct key {
	uint8_t public[crypto_sign_PUBLICKEYBYTES];
	uint8_t secret[crypto_sign_SECRETKEYBYTES]; /* its seed and the public one, as OpenSSH's */
};

static void put(struct blob *b, const void *data, size_t size)
{
	assert(size <= sizeof(b->data) - b->size);
	memcpy(b->data + b->size, data, size);
	b->size += size;
}

static void put_number(struct blob *b, uint32_t n)
{
	uint32_t big = htonl(n);

	put(b, &big, sizeof(big));
}

/* RFC 4251, 5: string. */
static void put_string(struct blob *b, const void *data, size_t size)
{
	put_number(b, (uint32_t)size);
	put(b, data, size);
}

static void put_public(struct blob *b, const struct key *k)
{
	put_string(b, KIND, strlen(KIND));
	put_string(b, k->public, sizeof(k->public));
}

static void put_secret(struct blob *b, const struct key *k, const char *comment)
{
	uint32_t check = randombytes_random();

	put_number(b, check);
	put_number(b, check);
	put_public(b, k);
	put_string(b, k->secret, sizeof(k->secret));
	put_string(b, comment, strlen(comment));
	for (uint8_t pad = 1; b->size % CIPHER_BLOCK != 0; pad++)
		put(b, &pad, 1);
}

static void put_all(struct blob *b, const struct blob *public, const struct blob *secret)
{
	put(b, "openssh-key-v1", sizeof("openssh-key-v1"));
	put_string(b, "none", strlen("none")); /* cipher */
	put_string(b, "none", strlen("none")); /* of a passphrase: none, without options */
	put_string(b, "", 0);
	put_number(b, 1); /* key */
	put_string(b, public->data, public->size);
	put_string(b, secret->data, secret->size);
}

static int write_secret(int folder, const struct blob *all)
{
	char base64[TEXT_MAX], text[TEXT_MAX];
	size_t size = encoding_base64_size(all->size), n;
	int r;

	assert(size < sizeof(base64));
	encoding_base64_put(all->data, all->size, base64);
	n = (size_t)sprintf(text, BEGIN);
	for (size_t at = 0; at < size; at += LINE)
		n += (size_t)sprintf(
			text + n, "%.*s\n", (int)MIN_OF((size_t)LINE, size - at), base64 + at);
	n += (size_t)sprintf(text + n, END);
	r = rootfile_replace(folder, HOSTKEY_NAME, text, n, 0600);
	sodium_memzero(base64, sizeof(base64));
	sodium_memzero(text, sizeof(text));
	return r;
}

static int write_public(int folder, const struct blob *public, const char *comment)
{
	_cleanup_(freep) char *base64 = encoding_base64(public->data, public->size);
	_cleanup_(freep) char *line = xasprintf(KIND " %s %s\n", base64, comment);

	return rootfile_replace(folder, HOSTKEY_NAME ".pub", line, strlen(line), 0644);
}

int hostkey_make(int folder, const char *hostname)
{
	struct blob public = { .size = 0 }, secret = { .size = 0 }, all = { .size = 0 };
	char comment[COMMENT_MAX];
	struct key k;
	int r;

	(void)snprintf(comment, sizeof(comment), "root@%s", hostname); /* says whose it is */
	if (crypto_sign_keypair(k.public, k.secret) != 0)
		return -EIO;
	put_public(&public, &k);
	put_secret(&secret, &k, comment);
	put_all(&all, &public, &secret);
	r = write_secret(folder, &all);
	if (r >= 0)
		r = write_public(folder, &public, comment);
	sodium_memzero(&k, sizeof(k));
	sodium_memzero(&secret, sizeof(secret));
	sodium_memzero(&all, sizeof(all));
	return r;
}
