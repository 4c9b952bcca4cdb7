/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Files as operators write them, good and bad; and the table against the manual page and the
 * example file. `bad` has a row for each way to be wrong: the text, the field that must be named
 * and a part of what must be said.
 *
 * Files are really written, into a directory of the test's own, and read by conf_load() as the
 * agent does. Each row's default and explanation are tried as well, so that a new key is tested
 * by being there. */
#include "proto/opfield.h"
#include "agent/common/conf.h"

#include <sched.h>
#include <sys/stat.h>

#include "agent/common/conf_doc.h"
#include "agent/common/conf_table.h"
#include "tests/unit/tap.h"

static char dir[] = "/tmp/test-conf-XXXXXX";

static void write_file(const char *name, const char *text)
{
	_cleanup_(freep) char *path = xasprintf("%s/%s", dir, name);
	FILE *f = fopen(path, "we");

	if (!f || fputs(text, f) < 0 || fclose(f) != 0)
		TAP_BAIL("can't write %s", path);
}

static int load(const char *text, struct conf *ret, struct err *err)
{
	_cleanup_(freep) char *path = xasprintf("%s/a.conf", dir);

	write_file("a.conf", text);
	return conf_load(path, ret, err);
}

#define ENROLLED "[Node]\nNodeId=0123456789abcdef01234567\n[Control]\nTokenFile=/t\n"

static const struct {
	const char *name, *text, *field, *part;
} bad[] = {
	{ "unknown key", "[Node]\n\nMaxworkers=3\n", "Node.Maxworkers", "line 3" },
	{ "unknown section", "[Node]\nName=x\n[Bogus]\n", "Bogus", "line 3" },
	{ "key of another section", "[Node]\nApiUrl=https://x\n", "Node.ApiUrl", "line 2" },
	{ "key before any section", "Name=x\n", "Name", "line 1" },
	{ "no key, no section", "[Node]\nName=x\nrubbish\n", "", "line 3" },
	{ "open section", "[Node\nName=x\n", "", "line 1" },
	{ "twice", "[Node]\nName=x\nName=y\n", "Node.Name", "line 2" },
	{ "number", "[Node]\nMaxWorkers=many\n", "Node.MaxWorkers", "a number (1 to 256)" },
	{ "number with a tail", "[Node]\nMaxWorkers=3x\n", "Node.MaxWorkers", "\"3x\"" },
	{ "negative", "[Node]\nMaxWorkers=-3\n", "Node.MaxWorkers", "line 2" },
	{ "too large", "[Node]\nMaxWorkers=257\n", "Node.MaxWorkers", "out of bounds" },
	{ "far too large", "[Node]\nMaxWorkers=99999999999999999999\n", "Node.MaxWorkers",
		"line 2" },
	{ "size overflow", "[Control]\nOutboxMaxBytes=9999999999T\n", "Control.OutboxMaxBytes",
		"line 2" },
	{ "size unit", "[Control]\nOutboxMaxBytes=5X\n", "Control.OutboxMaxBytes", "line 2" },
	{ "bool", "[Network]\nMasquerade=perhaps\n", "Network.Masquerade", "yes or no" },
	{ "enum", "[Storage]\nDriver=zfs\n", "Storage.Driver", "auto, btrfs, dir" },
	{ "unwritable enum value", "[Control]\nResponseSignature=auto\n",
		"Control.ResponseSignature", "required, optional" },
	{ "id upper case", "[Node]\nNodeId=0123456789ABCDEF01234567\n", "Node.NodeId", "hex" },
	{ "id short", "[Node]\nNodeId=0123\n", "Node.NodeId", "hex" },
	{ "relative path", "[Storage]\nPool=pool\n", "Storage.Pool", "absolute path" },
	{ "path with ..", "[Storage]\nPool=/a/../b\n", "Storage.Pool", "\"..\"" },
	{ "root directory", "[Storage]\nPool=//\n", "Storage.Pool", "root directory" },
	{ "subnet", "[Network]\nSubnet4=10.0.0.0\n", "Network.Subnet4", "ADDRESS/LENGTH" },
	{ "subnet length", "[Network]\nSubnet4=10.0.0.0/33\n", "Network.Subnet4", "line 2" },
	{ "subnet length in two ways", "[Network]\nSubnet4=10.0.0.0/016\n", "Network.Subnet4",
		"line 2" },
	{ "subnet of all", "[Network]\nSubnet4=0.0.0.0/0\n", "Network.Subnet4", "reserved" },
	{ "subnet of loopback", "[Network]\nSubnet4=126.0.0.0/7\n", "Network.Subnet4", "loopback" },
	{ "subnet of the gateway", "[Network]\nSubnet4=169.254.1.0/24\n", "Network.Subnet4",
		"link-local" },
	{ "subnet without a container's address", "[Network]\nSubnet4=10.0.0.0/31\n",
		"Network.Subnet4", "4 to 16777216" },
	{ "subnet of too many", "[Network]\nSubnet4=10.0.0.0/7\n", "Network.Subnet4",
		"4 to 16777216" },
	{ "subnet6 smaller than subnet", "[Network]\nSubnet6=fd00::/113\n", "Network.Subnet6",
		"as many addresses" },
	{ "subnet6", "[Network]\nSubnet6=fd00::\n", "Network.Subnet6", "ADDRESS/LENGTH" },
	{ "subnet6 of all", "[Network]\nSubnet6=::/0\n", "Network.Subnet6", "reserved" },
	{ "subnet6 of loopback", "[Network]\nSubnet6=::1/128\n", "Network.Subnet6", "loopback" },
	{ "subnet6 of IPv4", "[Network]\nSubnet6=::ffff:10.0.0.0/112\n", "Network.Subnet6",
		"reserved" },
	{ "subnet6 of links", "[Network]\nSubnet6=febf::/64\n", "Network.Subnet6", "link-local" },
	{ "subnet6 of links and more", "[Network]\nSubnet6=fe00::/8\n", "Network.Subnet6",
		"link-local" },
	{ "subnet6 of groups", "[Network]\nSubnet6=ff05::/16\n", "Network.Subnet6", "multicast" },
	{ "prefix", "[Network]\nInterfacePrefix=hood\n", "Network.InterfacePrefix", "3 at most" },
	{ "table", "[Network]\nTable=a;flush\n", "Network.Table", "line 2" },
	{ "listen", "[Metrics]\nListen=localhost\n", "Metrics.Listen", "ADDRESS:PORT" },
	{ "dns", "[Network]\nDns=1.1.1.1 x\n", "Network.Dns", "line 2" },
	{ "separators alone", "[Network]\nDns=1.1.1.1\nDns=,\n", "Network.Dns", "line 3" },
	{ "API by http", ENROLLED "ApiUrl=http://api.example.com\n", "Control.ApiUrl", "loopback" },
	{ "API without node id", "[Control]\nTokenFile=/t\nApiUrl=https://x\n", "Node.NodeId",
		"hoodyctl enroll" },
	{ "API without token",
		"[Node]\nNodeId=0123456789abcdef01234567\n[Control]\nApiUrl=https://x\n",
		"Control.TokenFile", "hoodyctl enroll" },
};

static void test_bad(void)
{
	for (size_t i = 0; i < countof(bad); i++) {
		struct err err = { 0 };
		struct conf c;

		TAP_EQ(load(bad[i].text, &c, &err), -EINVAL, "%s: refused", bad[i].name);
		TAP_EQ(err.code, ERR_CONFIG, "%s: code", bad[i].name);
		TAP_STREQ(err.field, bad[i].field, "%s: field", bad[i].name);
		TAP_OK(strstr(err.message, bad[i].part) != NULL, "%s: \"%s\" says \"%s\"",
			bad[i].name, err.message, bad[i].part);
		TAP_OK(strstr(err.message, "/a.conf") != NULL, "%s: names the file", bad[i].name);
	}
}

static void test_bytes(void)
{
	_cleanup_(freep) char *path = xasprintf("%s/a.conf", dir);
	char text[512] = "[Node]\nName=";
	struct err err = { 0 };
	struct conf c;
	FILE *f;

	memset(text + 12, 'x', 300);
	strcat(text, "\n[Bogus]\n");
	TAP_EQ(load(text, &c, &err), -EINVAL, "long line: refused");
	TAP_OK(strstr(err.message, "line 2: the line is longer") != NULL, "long line: %s",
		err.message);

	f = fopen(path, "we");
	if (!f || fwrite("[Node]\nName=a\0b\n", 1, 16, f) != 16 || fclose(f) != 0)
		TAP_BAIL("can't write");
	TAP_EQ(conf_load(path, &c, &err), -EINVAL, "NUL byte: refused");

	TAP_EQ(truncate(path, CONF_FILE_MAX + 1), 0, "make a large file");
	TAP_EQ(conf_load(path, &c, &err), -EINVAL, "large file: refused");
	TAP_EQ(conf_load(dir, &c, &err), -EINVAL, "a directory: refused");
	TAP_EQ(conf_load("/nonexistent/a.conf", &c, &err), -ENOENT, "missing file");
	TAP_OK(strstr(err.message, "/nonexistent/a.conf") != NULL, "missing file: %s", err.message);
}

static void test_good(void)
{
	_cleanup_conf_ struct conf c = { 0 }, d = { 0 };
	struct err err = { 0 };

	TAP_EQ(load("\xef\xbb\xbf# a comment\n; another\n"
		    "[Node]\n  NodeId = 0123456789abcdef01234567 ; "
		    "here\r\nStateDirectory=/a//b/\nRuntimeDirectory=/r\n"
		    "[Control]\nApiUrl=https://api.example.com/api/v1/\nTokenFile=/"
		    "t\nOutboxMaxBytes=2M\nPollWaitSec=\n"
		    "[Network]\nDns=1.1.1.1,  "
		    "::1\nDns=9.9.9.9\nProxyAddresses=10.0.0.1\nProxyAddresses=\n"
		    "Masquerade=off\n[Storage]\nDriver=dir",
		       &c, &err),
		0, "a good file: %s", err.message);
	TAP_STREQ(c.node.node_id, "0123456789abcdef01234567", "node id");
	TAP_STREQ(c.node.state_directory, "/a/b", "slashes");
	TAP_STREQ(c.storage.pool, "/a/b/pool", "the pool follows the state directory");
	TAP_STREQ(c.local.socket, "/r/debug.sock", "the socket follows the runtime directory");
	TAP_STREQ(
		c.control.api_url, "https://api.example.com/api/v1", "URL without its last slash");
	TAP_EQ(c.control.response_signature, CONF_SIGNATURE_REQUIRED,
		"signatures are required with https");
	TAP_EQ(c.control.outbox_max_bytes, 2 << 20, "size with a unit");
	TAP_EQ(c.control.poll_wait_s, 30, "an empty value is the default");
	TAP_STREQ(c.network.dns, "1.1.1.1 ::1 9.9.9.9", "a list");
	TAP_STREQ(c.network.proxy_addresses, "", "a list that an empty line takes back");
	TAP_OK(!c.network.masquerade, "a boolean");
	TAP_EQ(c.storage.driver, CONF_DRIVER_DIR, "an enumeration");
	TAP_OK(*c.node.name, "the name is the host's");

	TAP_EQ(load(ENROLLED "ApiUrl=http://127.0.0.1:8080/api\n", &d, &err), 0, "loopback: %s",
		err.message);
	TAP_EQ(d.control.response_signature, CONF_SIGNATURE_OPTIONAL,
		"signatures are optional with http");
	conf_done(&d);
	TAP_EQ(load("", &d, &err), 0, "an empty file is a standalone node");
	TAP_EQ(d.node.max_workers, 8, "default");
	TAP_EQ(d.control.outbox_max_bytes, 268435456, "default size");
	TAP_STREQ(d.storage.pool, "/var/lib/hoody-agent/pool", "default pool");
}

static void test_dropins(void)
{
	_cleanup_(freep) char *path = xasprintf("%s/a.conf", dir),
			      *drop = xasprintf("%s/a.conf.d", dir);
	struct conf c = { 0 };
	struct err err = { 0 };

	TAP_EQ(mkdir(drop, 0755), 0, "make the directory");
	write_file("a.conf.d/20-b.conf", "[Node]\nName=second\nMaxWorkers=3\n");
	write_file("a.conf.d/10-a.conf", "[Node]\nName=first\n");
	write_file("a.conf.d/90-c.conf.bak", "rubbish\n");
	write_file("a.conf.d/.90-c.conf", "rubbish\n");
	TAP_EQ(load("[Node]\nName=main\nMaxWorkers=2\n[Storage]\nDriver=dir\n", &c, &err), 0,
		"drop-ins: %s", err.message);
	TAP_STREQ(c.node.name, "second", "the last one wins");
	TAP_EQ(c.node.max_workers, 3, "over the main file");
	TAP_EQ(c.storage.driver, CONF_DRIVER_DIR, "the rest stays");
	conf_done(&c);
	write_file("a.conf.d/20-b.conf", "\nName=second\n");
	TAP_EQ(conf_load(path, &c, &err), -EINVAL, "a bad drop-in");
	TAP_OK(strstr(err.message, "a.conf.d/20-b.conf, line 2") != NULL, "is named: %s",
		err.message);
	write_file("a.conf.d/20-b.conf", "");
}

static void test_credential(void)
{
	_cleanup_(freep) char *path = xasprintf("%s/hoody-agent.node-token", dir);
	static const char unset[] =
		"[Node]\nNodeId=0123456789abcdef01234567\n[Control]\nApiUrl=https://a/\n";
	struct conf c = { 0 };
	struct err err = { 0 };

	(void)setenv("CREDENTIALS_DIRECTORY", dir, 1);
	TAP_EQ(load(unset, &c, &err), -EINVAL, "neither TokenFile nor a credential");
	TAP_STREQ(err.field, "Control.TokenFile", "and said");
	write_file("hoody-agent.node-token", "secret");
	TAP_EQ(load(unset, &c, &err), 0, "systemd's credential is the token's file");
	TAP_STREQ(c.control.token_file, path, "that of the unit");
	conf_done(&c);
	c = (struct conf){ 0 };
	TAP_EQ(load(ENROLLED, &c, &err), 0, "both");
	TAP_STREQ(c.control.token_file, "/t", "TokenFile goes first");
	conf_done(&c);
	(void)unsetenv("CREDENTIALS_DIRECTORY");
}

static void test_reload(void)
{
	_cleanup_conf_ struct conf a = { 0 }, b = { 0 };
	_cleanup_(freep) char *path = xasprintf("%s/r.conf", dir);
	char kept[CONF_KEPT_MAX];
	struct err err = { 0 };

	write_file("r.conf", "[Node]\nMaxWorkers=2\n[Storage]\nPool=/"
			     "a\nDriver=dir\n[Network]\nMasquerade=yes\n");
	TAP_EQ(conf_load(path, &a, &err), 0, "load");
	write_file("r.conf", "[Node]\nMaxWorkers=9\n[Storage]\nPool=/"
			     "b\nDriver=btrfs\n[Network]\nMasquerade=no\n");
	TAP_EQ(conf_reload(&a, path, &b, kept, &err), 0, "reload");
	TAP_EQ(b.node.max_workers, 9, "what may change has changed");
	TAP_STREQ(b.storage.pool, "/a", "what may not is kept");
	TAP_EQ(b.storage.driver, CONF_DRIVER_DIR, "an enumeration is kept");
	TAP_OK(b.network.masquerade, "a boolean is kept");
	TAP_STREQ(kept, "Network.Masquerade, Storage.Pool, Storage.Driver", "and said");
	conf_done(&b);
	b = (struct conf){ 0 };
	write_file("r.conf", "[Node]\nMaxWorkers=x\n");
	TAP_EQ(conf_reload(&a, path, &b, kept, &err), -EINVAL, "a bad file");
	TAP_OK(!b.node.name, "leaves the result alone");
}

static void test_urls(void)
{
	static const char *const good[] = { "https://a", "https://a.b-c.example:8443/x/y_z~1",
		"https://[2001:db8::1]/x", "http://localhost", "http://LOCALHOST:80/",
		"http://127.8.9.1:1/api", "http://[::1]:65535/x" };
	static const char *const wrong[] = { "", "https://", "ftp://a", "HTTPS://a", "https://u@a",
		"https://u:p@a/", "https://a?x", "https://a#x", "https://a b", "https://a:0",
		"https://a:65536", "https://a:80x", "https://a\\b", "http://a",
		"http://127.0.0.1.example.com", "http://localhost.example.com", "http://127.1",
		"http://2130706433", "http://0x7f.0.0.1", "http://[::1", "http://[::2]/",
		"http://localhost@evil/", "http://127.0.0.1#@evil", "https://[x]/",
		"http://[::ffff:8.8.8.8]/" };

	for (size_t i = 0; i < countof(good); i++)
		TAP_OK(opfield_is_api_url(good[i]), "may be: %s", good[i]);
	for (size_t i = 0; i < countof(wrong); i++)
		TAP_OK(!opfield_is_api_url(wrong[i]), "may not be: %s", wrong[i]);
}

/* Every default can be written as the table says, and gives what an empty value gives. */
static void test_table(void)
{
	_cleanup_conf_ struct conf c = { 0 };

	conf_defaults(&c);
	for (size_t i = 0; i < conf_table_count(); i++) {
		const struct conf_key *key = conf_table_row(i);
		_cleanup_conf_ struct conf d = { 0 };
		const char *why = NULL;

		conf_defaults(&d);
		TAP_OK(*key->def == '<' || conf_table_set(&d, key, key->def, false, &why) == 0,
			"%s.%s: default", key->section, key->key);
		TAP_OK(*key->def == '<' || !*key->def || conf_table_is_equal(key, &c, &d),
			"%s.%s: is itself", key->section, key->key);
		TAP_OK(strlen(key->help) > 20 && key->help[strlen(key->help) - 1] == '.',
			"%s.%s: is explained", key->section, key->key);
		for (size_t k = 0; k < i; k++)
			if (key->offset == conf_table_row(k)->offset)
				TAP_OK(false, "%s and %s share a field", key->key,
					conf_table_row(k)->key);
	}
}

/* A host may be called whatever 64 bytes can say. */
static void test_host_name(void)
{
	static const struct {
		const char *is, *name;
	} hosts[] = {
		{ "plain.example", "plain.example" },
		{ "h\xf6st\tone\xc3\xb6", "h-st-one--" },
		{ "0123456789012345678901234567890123456789012345678901234567890123",
			"0123456789012345678901234567890123456789012345678901234567890123" },
		{ "", "" },
	};

	if (unshare(CLONE_NEWUTS) < 0) {
		TAP_SKIP("no namespace for a host's name: %s", strerror(errno));
		return;
	}
	for (size_t i = 0; i < countof(hosts); i++) {
		_cleanup_conf_ struct conf c = { 0 };

		TAP_EQ(sethostname(hosts[i].is, strlen(hosts[i].is)), 0, "the host has a name");
		conf_defaults(&c);
		TAP_STREQ(c.node.name, hosts[i].name, "and the node has it, too");
	}
}

/* The documents hold what the table prints: they were made by it, and nobody has edited either
 * alone. */
static void test_document(const char *name, void (*print)(FILE *))
{
	const char *top = getenv("top_srcdir");
	_cleanup_(freep) char *path = xasprintf("%s/packaging/%s", top ? top : ".", name);
	_cleanup_(freep) char *want = NULL, *have = xcalloc(CONF_FILE_MAX, 1);
	size_t size = 0;
	FILE *f = fopen(path, "re"), *m = open_memstream(&want, &size);

	if (!f || !m)
		TAP_BAIL("can't open %s", path);
	TAP_OK(fread(have, 1, CONF_FILE_MAX - 1, f) > 0, "read %s", name);
	(void)fclose(f);
	print(m);
	(void)fclose(m);
	TAP_OK(strstr(have, want) != NULL,
		"%s says what the table says (else make it anew: hoodyctl config)", name);
}

static void test_example_is_read(void)
{
	const char *top = getenv("top_srcdir");
	_cleanup_(freep) char *path = xasprintf("%s/packaging/agent.conf", top ? top : ".");
	_cleanup_conf_ struct conf c = { 0 };
	struct err err = { 0 };

	TAP_EQ(conf_load(path, &c, &err), 0, "the example is a configuration: %s", err.message);
}

static void tidy(void)
{
	_cleanup_(freep) char *command = xasprintf("rm -rf %s", dir);

	TAP_EQ(system(command), 0, "cleaned up");
}

int main(void)
{
	if (!mkdtemp(dir))
		TAP_BAIL("no directory");
	test_bad();
	test_bytes();
	test_good();
	test_dropins();
	test_credential();
	test_reload();
	test_urls();
	test_table();
	test_host_name();
	test_document("agent.conf", conf_doc_example);
	test_document("man/agent.conf.5", conf_doc_man);
	test_example_is_read();
	tidy();
	return tap_done();
}
