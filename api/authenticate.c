/*
 * Credentials that are refused draw on the anonymous allowance (accounts.md D2): whoever has used it up gets 429 instead,
 * and no password of his is looked at.
 *
 * One scheme after the other: the first whose name matches decides. Each ends with an account in the request's arena, with
 * 403 and a code that says which step failed (never why a token or a password was wrong), or with 5xx when nobody knows.
 */
#include "api/authenticate.h"

#include "api/client_address.h"
#include "api/reply.h"
#include "api/throttling.h"
#include "base/base64.h"
#include "base/clock.h"
#include "base/log.h"
#include "domain/account.h"
#include "domain/token.h"

#define MAX_WORDS 3

/* The words of the header, as many as MAX_WORDS: more than that is as wrong as that many. */
static size_t split_words(struct str text, struct str ret_words[MAX_WORDS])
{
	size_t n = 0;

	while (n < MAX_WORDS) {
		size_t end = 0;

		text = str_trim(text);
		if (!text.len)
			break;
		while (end < text.len && text.s[end] != ' ' && text.s[end] != '\t')
			end++;
		ret_words[n++] = (struct str){ text.s, end };
		text = (struct str){ text.s + end, text.len - end };
	}
	return n;
}

static bool refuse(struct request *req, const char *code, const char *detail, const char *messages)
{
	struct buf b = BUF_EMPTY;

	if (!throttle_failure_or_reply(req, client_address(req), (struct str){ NULL, 0 }))
		return false;
	buf_add_text(&b, "{\"detail\":");
	json_add_text(&b, detail);
	buf_add_text(&b, ",\"code\":");
	json_add_text(&b, code);
	buf_add_text(&b, messages);
	buf_add_char(&b, '}');
	reply_json_take(req, 403, &b);
	return false;
}

static bool refuse_token(struct request *req, bool with_messages)
{
	return refuse(req, "token_not_valid", "Le jeton fourni n'est valide pour aucun type de jeton.",
	              with_messages ? ",\"messages\":[{\"token_class\":\"AccessToken\",\"token_type\":\"access\","
	                              "\"message\":\"Le jeton est invalide ou expiré.\"}]"
	                            : "");
}

/* The account that a valid token names. */
static bool find_caller(struct request *req, const struct token *token)
{
	const struct settings *s = req->worker->context->settings;
	struct account *account = arena_alloc(&req->arena, sizeof(*account));
	int r = ERR_NOT_FOUND;

	if (!token->has_user)
		return refuse_token(req, false);
	if (account && token->user_id != NULL_INT)
		r = account_find(req->worker->db, &req->arena, token->user_id, str_of(s->founder_group_name), account);
	if (!account)
		r = ERR_NOMEM;
	if (r == ERR_NOT_FOUND)
		return refuse(req, "user_not_found", "Utilisateur introuvable.", "");
	if (r < 0) {
		reply_error(req, r);
		return false;
	}
	if (!account->is_active)
		return refuse(req, "user_inactive", "Ce compte est désactivé.", "");
	req->caller = account;
	return true;
}

static bool authenticate_bearer(struct request *req, struct str text)
{
	struct str key = str_of(req->worker->context->settings->secret_key);
	struct token token;
	int r = token_verify(key, text, TOKEN_ACCESS, clock_now(), &req->arena, &token);

	if (r == 0)
		return find_caller(req, &token);
	if (r == ERR_INVALID)
		return refuse_token(req, true);
	reply_error(req, r);
	return false;
}

bool authenticate_is_basic(const struct request *req)
{
	struct str words[MAX_WORDS];

	return split_words(req->headers.authorization, words) > 0 && str_equal_nocase(words[0], (struct str)STR("basic"));
}

/* Bytes as UTF-8, else as Latin-1 (accounts.md 3.5). */
static struct str as_utf8(struct arena *a, struct str bytes)
{
	char *text = arena_alloc(a, bytes.len * 2 + 1);
	size_t n = 0;

	if (!text || str_valid_utf8(bytes))
		return text ? bytes : (struct str){ NULL, 0 };
	for (size_t i = 0; i < bytes.len; i++) {
		unsigned char c = (unsigned char)bytes.s[i];

		if (c >= 0x80)
			text[n++] = (char)(0xc0 | c >> 6);
		text[n++] = (char)(c < 0x80 ? c : 0x80 | (c & 0x3f));
	}
	return (struct str){ text, n };
}

/* username ":" password; false when it is nothing of the kind. */
static bool read_basic(struct arena *a, struct str text, struct str *ret_username, struct str *ret_password)
{
	char *bytes = arena_alloc(a, BASE64_DECODED_MAX(text.len));
	struct str pair = { NULL, 0 };
	ptrdiff_t colon;
	size_t n;

	if (bytes && base64_decode(text, BASE64, bytes, &n))
		pair = as_utf8(a, (struct str){ bytes, n });
	colon = str_find(pair, ':');
	if (colon < 0)
		return false;
	*ret_username = (struct str){ pair.s, (size_t)colon };
	*ret_password = (struct str){ pair.s + colon + 1, pair.len - (size_t)colon - 1 };
	return true;
}

static bool refuse_basic(struct request *req, struct str username)
{
	if (throttle_failure_or_reply(req, client_address(req), username))
		reply_detail(req, 403, "Nom d'utilisateur ou mot de passe non valide.");
	return false;
}

void authenticate_log_refusal(const struct request *req, int result)
{
	if (result == ERR_LIMIT)
		log_write(LOG_WARNING, "http", "auth.hash_refused", LOG_FIELDS(LOG_STR("request_id", req->id)),
		          "the stored hash of an account asks for more than is computed");
}

static bool authenticate_basic(struct request *req, const struct str *words, size_t n)
{
	struct str founders = str_of(req->worker->context->settings->founder_group_name), password;
	struct str username = { NULL, 0 };
	struct account *account = arena_alloc(&req->arena, sizeof(*account));
	int r;

	if (n != 2 || !account || !read_basic(&req->arena, words[1], &username, &password))
		return refuse_basic(req, username);
	if (!throttle_credentials_or_reply(req, client_address(req), username))
		return false;
	r = account_authenticate(req->worker->db, &req->arena, username, password, founders, account);
	authenticate_log_refusal(req, r);
	if (r == ERR_FORBIDDEN || r == ERR_LIMIT)
		return refuse_basic(req, username);
	if (r < 0)
		reply_error(req, r);
	else
		req->caller = account;
	return r == 0;
}

bool authenticate_or_reply(struct request *req)
{
	struct str words[MAX_WORDS];
	size_t n = split_words(req->headers.authorization, words);

	if (n && str_equal_nocase(words[0], (struct str)STR("basic")))
		return authenticate_basic(req, words, n);
	if (n == 0 || !str_is(words[0], "Bearer"))
		return true;
	if (n != 2)
		return refuse(req, "bad_authorization_header", "L'en-tête Authorization est mal formé.", "");
	return authenticate_bearer(req, words[1]);
}
