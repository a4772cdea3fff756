/*
 * What a mail looks like. Each part is base64 of UTF-8: whatever is in a text, no line of the message is too long, begins with a dot,
 * or looks like the boundary between two parts. What goes into headers has been checked by then: it has no control character.
 */
#include <openssl/sha.h>
#include <stdarg.h>
#include <stdio.h>

#include "base/base64.h"
#include "base/cleanup.h"
#include "base/json_out.h"
#include "base/random.h"
#include "domain/mail.h"
#include "tasks/mail_impl.h"

#define SUBJECT_MAX_BYTES ((size_t)2000)
#define LINE_BYTES        57 /* of which base64 makes a line of 76 */
#define WORD_BYTES        42 /* of which base64 makes, with what is around it, an encoded word of 68 */
#define PLAIN_MAX         70 /* bytes of a header that needs no folding */

/* ---- addresses ---- */

static bool has_control(struct str s)
{
	for (size_t i = 0; i < s.len; i++)
		if ((unsigned char)s.s[i] < ' ' || s.s[i] == 0x7f)
			return true;
	return false;
}

struct str mail_sender(const struct settings *settings)
{
	if (settings->default_from_email)
		return str_of(settings->default_from_email);
	return str_of(settings->notify_email ? settings->notify_email : "noreply@egoejo.org");
}

/* ---- keys ---- */

static void add_digest(char *ret_hex, size_t bytes, struct str text)
{
	unsigned char digest[SHA256_DIGEST_LENGTH];

	SHA256((const unsigned char *)(text.s ? text.s : ""), text.len, digest);
	for (size_t i = 0; i < bytes; i++)
		snprintf(ret_hex + 2 * i, 3, "%02x", digest[i]);
}

/* As it is when it fits into a header; ids of foreign tasks may be any text, and are then known by their digest. */
static void make_key(struct str key, char ret_key[MAIL_KEY_SIZE])
{
	bool plain = key.len < MAIL_KEY_SIZE;

	for (size_t i = 0; i < key.len && plain; i++)
		plain = key.s[i] > ' ' && key.s[i] < 0x7f;
	if (plain)
		snprintf(ret_key, MAIL_KEY_SIZE, "%.*s", STR_ARG(key));
	else
		add_digest(ret_key, SHA256_DIGEST_LENGTH, key);
}

static int make_message_id(struct letter *letter)
{
	struct str address = letter->from.address;
	size_t at = (size_t)str_find(address, '@') + 1;
	char id[UUID_HEX_SIZE];
	int r = 0;

	if (letter->key[0])
		add_digest(id, (UUID_HEX_SIZE - 1) / 2, str_of(letter->key));
	else
		r = random_uuid_hex(id);
	if (r == 0)
		snprintf(letter->message_id, sizeof(letter->message_id), "%s@%.*s", id, (int)(address.len - at), address.s + at);
	return r;
}

/* What forbids it to be sent; NULL: nothing. */
static const char *fault_of(struct letter *letter)
{
	const struct mail *mail = letter->mail;

	if (!mailbox_parse(letter->from_text, &letter->from))
		return "the sender (DEFAULT_FROM_EMAIL, NOTIFY_EMAIL) is no address";
	if (!mail->to.s || !mailbox_parse(mail->to, &letter->to))
		return "the recipient is no address";
	if (!mail->subject.s || has_control(mail->subject) || mail->subject.len > SUBJECT_MAX_BYTES)
		return "the subject is missing, too long, or has a line break";
	return mail->html.s || mail->text.s ? NULL : "the mail has no text";
}

int letter_make(const struct settings *settings, const struct mail *mail, struct letter *ret, struct mail_report *report)
{
	const char *fault;
	int r;

	*ret = (struct letter){ .mail = mail, .from_text = mail_sender(settings) };
	fault = fault_of(ret);
	if (fault) {
		mail_end(report, MAIL_REFUSED, "%s", fault);
		return ERR_INVALID;
	}
	make_key(mail->idempotency_key, ret->key);
	r = make_message_id(ret);
	if (r < 0)
		mail_end(report, MAIL_TRY_AGAIN, "the kernel gives no random bytes");
	return r;
}

/* ---- headers ---- */

static bool is_plain(struct str s)
{
	for (size_t i = 0; i < s.len; i++)
		if (s.s[i] < ' ' || s.s[i] >= 0x7f || (s.s[i] == '=' && i + 1 < s.len && s.s[i + 1] == '?'))
			return false;
	return true;
}

/* At most WORD_BYTES of it, and whole characters. */
static size_t word_of(struct str s)
{
	size_t n = s.len < WORD_BYTES ? s.len : WORD_BYTES;

	while (n < s.len && n > WORD_BYTES - 4 && ((unsigned char)s.s[n] & 0xc0) == 0x80)
		n--;
	return n;
}

void mail_add_header(struct buf *b, struct str value, size_t column)
{
	size_t n;

	if (is_plain(value) && value.len + column <= PLAIN_MAX) {
		buf_add_str(b, value);
		return;
	}
	for (bool first = true; value.len; first = false) {
		n = word_of(value);
		buf_add_text(b, first ? "" : "\r\n ");
		buf_add_text(b, "=?UTF-8?B?");
		base64_add(b, BASE64, value.s, n);
		buf_add_text(b, "?=");
		value = (struct str){ value.s + n, value.len - n };
	}
}

static bool is_atoms(struct str s)
{
	for (size_t i = 0; i < s.len; i++)
		if (!str_is_alpha(s.s[i]) && !str_is_digit(s.s[i]) && !memchr(" !#$%&'*+-/=?^_`{|}~", s.s[i], 20))
			return false;
	return is_plain(s);
}

/* A name with a character that means something in a header is an encoded word too: that needs no quoting. */
static void add_mailbox(struct buf *b, const char *header, const struct mailbox *box)
{
	struct str name = box->name;
	size_t column = strlen(header) + 2;

	buf_addf(b, "%s: ", header);
	if (name.len) {
		mail_add_header(b, name, is_atoms(name) ? column : PLAIN_MAX + 1);
		buf_add_text(b, "\r\n ");
	}
	buf_addf(b, name.len ? "<%.*s>\r\n" : "%.*s\r\n", STR_ARG(box->address));
}

static void add_date(struct buf *b, struct instant date)
{
	static const char *const days[] = { "Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat" };
	static const char *const months[] = { "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec" };
	time_t seconds = (time_t)(date.us / US_PER_S);
	struct tm tm;

	if (gmtime_r(&seconds, &tm))
		buf_addf(b, "Date: %s, %02d %s %d %02d:%02d:%02d +0000\r\n", days[tm.tm_wday], tm.tm_mday, months[tm.tm_mon],
		         1900 + tm.tm_year, tm.tm_hour, tm.tm_min, tm.tm_sec);
}

/* ---- the message ---- */

static void add_part(struct buf *b, const char *type, struct str text)
{
	buf_addf(b, "Content-Type: text/%s; charset=utf-8\r\nContent-Transfer-Encoding: base64\r\n\r\n", type);
	for (size_t i = 0; i < text.len; i += LINE_BYTES) {
		base64_add(b, BASE64, text.s + i, text.len - i < LINE_BYTES ? text.len - i : LINE_BYTES);
		buf_add_text(b, "\r\n");
	}
}

/* The better form comes last. No line of base64 begins as the boundary does. */
static void add_alternatives(struct buf *b, const struct letter *letter)
{
	char boundary[40] = "=_", *digits = boundary + 2;

	add_digest(digits, 16, str_of(letter->message_id));
	buf_addf(b, "Content-Type: multipart/alternative;\r\n boundary=\"%s\"\r\n\r\n--%s\r\n", boundary, boundary);
	add_part(b, "plain", letter->mail->text);
	buf_addf(b, "\r\n--%s\r\n", boundary);
	add_part(b, "html", letter->mail->html);
	buf_addf(b, "\r\n--%s--\r\n", boundary);
}

void mail_add_message(struct buf *b, const struct letter *letter, struct instant date)
{
	const struct mail *mail = letter->mail;

	add_mailbox(b, "From", &letter->from);
	add_mailbox(b, "To", &letter->to);
	buf_add_text(b, "Subject: ");
	mail_add_header(b, mail->subject, strlen("Subject: "));
	buf_add_text(b, "\r\n");
	add_date(b, date);
	buf_addf(b, "Message-ID: <%s>\r\nAuto-Submitted: auto-generated\r\nMIME-Version: 1.0\r\n", letter->message_id);
	if (mail->html.s && mail->text.s)
		add_alternatives(b, letter);
	else
		add_part(b, mail->html.s ? "html" : "plain", mail->html.s ? mail->html : mail->text);
}

void mail_add_resend(struct buf *b, const struct letter *letter)
{
	const struct mail *mail = letter->mail;

	buf_add_text(b, "{\"from\": ");
	json_add_str(b, letter->from_text);
	buf_add_text(b, ", \"to\": [");
	json_add_str(b, mail->to);
	buf_add_text(b, "], \"subject\": ");
	json_add_str(b, mail->subject);
	if (mail->html.s) {
		buf_add_text(b, ", \"html\": ");
		json_add_str(b, mail->html);
	}
	if (mail->text.s) {
		buf_add_text(b, ", \"text\": ");
		json_add_str(b, mail->text);
	}
	buf_add_char(b, '}');
}
