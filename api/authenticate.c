#include "api/authenticate.h"

#include "api/reply.h"
#include "base/clock.h"
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

bool authenticate_or_reply(struct request *req)
{
	struct str words[MAX_WORDS];
	size_t n = split_words(req->headers.authorization, words);

	if (n == 0 || !str_is(words[0], "Bearer"))
		return true;
	if (n != 2)
		return refuse(req, "bad_authorization_header", "L'en-tête Authorization est mal formé.", "");
	return authenticate_bearer(req, words[1]);
}
