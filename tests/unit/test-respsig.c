/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The response signature: the header's spellings, what it is bound to, and its time window. */
#include "proto/encoding.h"
#include "proto/respsig.h"
#include "tests/unit/vector.h"

#define NOW_S 1795410000LL
#define PATH  "/api/v1/nodes/00112233445566778899aabb/orders?after=0&wait=30"
#define BODY  "{\"success\":true}"

static char sig_hex[129];

static void sign(const struct vector_key *k, int64_t t, const char *method, int status,
	const char *path, const char *body)
{
	_cleanup_(freep) char *text =
		xasprintf("%lld\n%s\n%d\n%s\n%s", (long long)t, method, status, path, body);
	uint8_t sig[64];

	(void)crypto_sign_detached(sig, NULL, (uint8_t *)text, strlen(text), k->secret_key);
	encoding_hex(sig, sizeof(sig), sig_hex);
}

static int verify(const struct keyset *ks, int64_t now_ms, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

static int verify(const struct keyset *ks, int64_t now_ms, const char *fmt, ...)
{
	const struct respsig_response r = { "GET", 200, PATH, BODY, strlen(BODY) };
	_cleanup_(freep) char *header = NULL;
	va_list ap;

	va_start(ap, fmt);
	if (vasprintf(&header, fmt, ap) < 0)
		abort();
	va_end(ap);
	return respsig_verify(header, &r, ks, now_ms, NULL, NULL);
}

static void test_spellings(const struct keyset *ks)
{
	int64_t now = NOW_S * 1000;

	TAP_EQ(verify(ks, now, "t=%lld,kid=v1,m=GET,s=200,path=" PATH ",sig=%s", NOW_S, sig_hex), 0,
		"as published");
	TAP_EQ(verify(ks, now, "T=%lld, KID=v1, M=GET, S=200, Path=" PATH ", SIG=%s", NOW_S,
		       sig_hex),
		0, "keys in any case, blanks");
	TAP_EQ(verify(ks, now,
		       "sig=\"%s\",path=\"" PATH "\",s=\"200\",m=\"GET\",kid=\"v1\",t=\"%lld\"",
		       sig_hex, NOW_S),
		0, "quoted, in another order");
	TAP_EQ(verify(ks, now, "x=1,t=%lld,kid=v1,m=GET,s=200,path=" PATH ",sig=%s", NOW_S,
		       sig_hex),
		0, "an unknown key");
	TAP_EQ(verify(ks, now, "t=%lld,t=%lld,kid=v1,m=GET,s=200,path=" PATH ",sig=%s", NOW_S,
		       NOW_S, sig_hex),
		-EBADMSG, "a key twice");
	TAP_EQ(verify(ks, now, "t=%lld,kid=v1,path=" PATH ",sig=%s", NOW_S, sig_hex), -EBADMSG,
		"the old short form");
	TAP_EQ(verify(ks, now, "t=%lld,kid=v1,m=GET,s=200,path=" PATH, NOW_S), -EBADMSG, "no sig");
	TAP_EQ(verify(ks, now, "t=%lld,kid=v1,m=GET,s=200,path=" PATH ",sig=%sab", NOW_S, sig_hex),
		-EBADMSG, "sig too long");
	TAP_EQ(verify(ks, now, "t=%lldx,kid=v1,m=GET,s=200,path=" PATH ",sig=%s", NOW_S, sig_hex),
		-EBADMSG, "t not digits");
	TAP_EQ(verify(ks, now, "t=-1,kid=v1,m=GET,s=200,path=" PATH ",sig=%s", sig_hex), -EBADMSG,
		"t negative");
	TAP_EQ(verify(ks, now, "t=99999999999999999999,kid=v1,m=GET,s=200,path=" PATH ",sig=%s",
		       sig_hex),
		-EBADMSG, "t huge");
	TAP_EQ(verify(ks, now, "t=%lld,kid=\"v1,m=GET,s=200,path=" PATH ",sig=%s", NOW_S, sig_hex),
		-EBADMSG, "a quote left open");
	TAP_EQ(verify(ks, now, "%s", ""), -EBADMSG, "empty");
	TAP_EQ(verify(ks, now, ",,,="), -EBADMSG, "rubbish");
}

static void test_binding(const struct vector_key *k, const struct keyset *ks)
{
	int64_t now = NOW_S * 1000;

	TAP_EQ(verify(ks, now, "t=%lld,kid=v2,m=GET,s=200,path=" PATH ",sig=%s", NOW_S, sig_hex),
		-ENOKEY, "another key's name");
	TAP_EQ(verify(ks, now, "t=%lld,kid=v1,m=POST,s=200,path=" PATH ",sig=%s", NOW_S, sig_hex),
		-EBADMSG, "another method");
	TAP_EQ(verify(ks, now, "t=%lld,kid=v1,m=GET,s=204,path=" PATH ",sig=%s", NOW_S, sig_hex),
		-EBADMSG, "another status");
	TAP_EQ(verify(ks, now, "t=%lld,kid=v1,m=GET,s=200,path=" PATH "0,sig=%s", NOW_S, sig_hex),
		-EBADMSG, "another path");
	TAP_EQ(verify(ks, now, "t=%lld,kid=v1,m=GET,s=200,path=" PATH ",sig=%s", NOW_S + 1,
		       sig_hex),
		-EKEYREJECTED, "another time");
	sign(k, NOW_S, "GET", 200, PATH, BODY " ");
	TAP_EQ(verify(ks, now, "t=%lld,kid=v1,m=GET,s=200,path=" PATH ",sig=%s", NOW_S, sig_hex),
		-EKEYREJECTED, "another body");
}

static void test_window(const struct vector_key *k)
{
	struct keyset ks = vector_keyset(1, "v1", k, NOW_S * 1000);
	static const struct {
		int64_t offset;
		int want;
	} times[] = { { -301, -ESTALE }, { -300, 0 }, { 300, 0 }, { 301, -ESTALE } };

	for (size_t i = 0; i < countof(times); i++) {
		sign(k, NOW_S + times[i].offset, "GET", 200, PATH, BODY);
		TAP_EQ(verify(&ks, NOW_S * 1000, "t=%lld,kid=v1,m=GET,s=200,path=" PATH ",sig=%s",
			       NOW_S + (long long)times[i].offset, sig_hex),
			times[i].want, "%lld s from now", (long long)times[i].offset);
	}
	TAP_EQ(verify(&ks, NOW_S * 1000, "t=%lld,kid=v1,m=GET,s=200,path=" PATH ",sig=%s",
		       NOW_S + 302, sig_hex),
		-EKEYREJECTED, "no word about clocks by who can't sign");
	sign(k, NOW_S, "GET", 200, PATH, BODY);
	TAP_EQ(verify(&ks, NOW_S * 1000 + 1, "t=%lld,kid=v1,m=GET,s=200,path=" PATH ",sig=%s",
		       NOW_S, sig_hex),
		0, "an expired key where all have expired");
	ks.keys[ks.n_keys] = ks.keys[0];
	strcpy(ks.keys[ks.n_keys].kid, "v2");
	ks.keys[ks.n_keys++].not_after_ms = INT64_MAX;
	TAP_EQ(verify(&ks, NOW_S * 1000 + 1, "t=%lld,kid=v1,m=GET,s=200,path=" PATH ",sig=%s",
		       NOW_S, sig_hex),
		-ENOKEY, "an expired key beside a good one");
}

static void test_robustness(const struct keyset *ks)
{
	_cleanup_(freep) char *header =
		xasprintf("t=%lld,kid=v1,m=GET,s=200,path=\"" PATH "\",sig=%s", NOW_S, sig_hex);
	size_t size = strlen(header);
	unsigned accepted = 0, n = 0;

	for (size_t i = 0; i < size; i++) {
		char was = header[i];

		header[i] = '\0';
		accepted += verify(ks, NOW_S * 1000, "%s", header) == 0;
		for (unsigned bit = 0; bit < 8; bit++, n++) {
			header[i] = (char)(was ^ (1 << bit));
			/* another case of a key or of the hex says the same */
			if (header[i] != '\0' && (header[i] ^ was) != 0x20)
				accepted += verify(ks, NOW_S * 1000, "%s", header) == 0;
		}
		header[i] = was;
	}
	TAP_EQ(accepted, 0, "%u flipped bits and %zu truncations are refused", n, size);
}

int main(void)
{
	struct vector_key k = vector_key(1);
	struct keyset ks = vector_keyset(1, "v1", &k, INT64_MAX);

	sign(&k, NOW_S, "GET", 200, PATH, BODY);
	test_spellings(&ks);
	test_robustness(&ks);
	test_binding(&k, &ks);
	test_window(&k);
	return tap_done();
}
