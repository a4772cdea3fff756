/*
 * The log in Redis is trimmed, looked at and added to in one script, so that processes which call at the same moment are
 * judged one after the other. EVALSHA names the script; who is told NOSCRIPT (Redis was restarted, or has never seen it) sends
 * the text once. Scores are microseconds, which the double of a sorted set holds exactly until the year 2255.
 */
#include "cache/throttle_scripts_impl.h"

#include <inttypes.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/cleanup.h"
#include "base/mem.h"

#define KEY_PREFIX    "egoejo:t1:throttle_" /* not under egoejo:c1:, where each write would wake every process (design 9.6) */
#define KEY_SIZE      (sizeof(KEY_PREFIX) + 8 + THROTTLE_MAX_IDENT)
#define NUMBER_SIZE   24
#define MEMBER_SIZE   48
#define WORD(literal) ((struct str)STR(literal))

#define LUA_NOW "local t=redis.call('TIME') local now=t[1]*1000000+t[2] "

/* For each key: calls, period, member. For each key: accepted or not, and how long nothing more is. */
static const char take_script[] =
        LUA_NOW "local out={} "
                "for i,key in ipairs(KEYS) do "
                "local calls,period=tonumber(ARGV[3*i-2]),tonumber(ARGV[3*i-1]) "
                "redis.call('ZREMRANGEBYSCORE',key,'-inf',now-period) "
                "local have=redis.call('ZCARD',key) local accepted=have<calls "
                "if accepted then "
                "redis.call('ZADD',key,now,ARGV[3*i]) redis.call('PEXPIRE',key,math.ceil(period/1000)) have=have+1 end "
                "local wait=0 "
                "if have>=calls then "
                "local oldest=redis.call('ZRANGE',key,have-calls,have-calls,'WITHSCORES') "
                "wait=math.max((tonumber(oldest[2]) or now)+period-now,1) end "
                "out[2*i-1]=accepted and 1 or 0 out[2*i]=wait end "
                "return out";

/* One key: calls, period, then age and member of each call. How long nothing more is accepted. */
static const char tell_script[] = LUA_NOW "local key,calls,period=KEYS[1],tonumber(ARGV[1]),tonumber(ARGV[2]) "
                                          "for j=3,#ARGV,2 do redis.call('ZADD',key,'NX',now-tonumber(ARGV[j]),ARGV[j+1]) end "
                                          "redis.call('ZREMRANGEBYSCORE',key,'-inf',now-period) "
                                          "redis.call('ZREMRANGEBYRANK',key,0,-(calls+1)) "
                                          "redis.call('PEXPIRE',key,math.ceil(period/1000)) "
                                          "if redis.call('ZCARD',key)<calls then return 0 end "
                                          "local oldest=redis.call('ZRANGE',key,0,0,'WITHSCORES') "
                                          "return math.max((tonumber(oldest[2]) or now)+period-now,1)";

static const char *const scope_labels[] = {
#define X(name, label) label,
	THROTTLE_SCOPE_LIST(X)
#undef X
};

/* The name by which EVALSHA calls a script; SHA-1 is Redis' choice, and nothing here depends on its strength. */
static void name_script(const char *script, char ret_sha[41])
{
	unsigned char digest[EVP_MAX_MD_SIZE];
	unsigned n = 0;

	if (EVP_Digest(script, strlen(script), digest, &n, EVP_sha1(), NULL) != 1)
		n = 0; /* then every call is answered NOSCRIPT, and sends the text */
	memset(ret_sha, '0', 40);
	ret_sha[40] = '\0';
	for (unsigned i = 0; i < n && i < 20; i++)
		snprintf(ret_sha + 2 * i, 3, "%02x", digest[i]);
}

void throttle_scripts_init(struct throttle_scripts *s, const struct throttle_config *config)
{
	s->redis = config->redis;
	memcpy(s->rates, config->rates, sizeof(s->rates));
	name_script(take_script, s->take_sha);
	name_script(tell_script, s->tell_sha);
}

static struct str format_key(const struct throttle_claim *claim, char text[KEY_SIZE])
{
	struct str ident = claim->ident;
	int n;

	if (ident.len > THROTTLE_MAX_IDENT)
		ident.len = THROTTLE_MAX_IDENT;
	n = snprintf(text, KEY_SIZE, KEY_PREFIX "%s_", scope_labels[claim->scope]);
	if (ident.len)
		memcpy(text + n, ident.s, ident.len); /* any byte may be in it */
	return (struct str){ text, (size_t)n + ident.len };
}

static struct str format_number(int64_t value, char text[NUMBER_SIZE])
{
	return (struct str){ text, (size_t)snprintf(text, NUMBER_SIZE, "%" PRId64, value) };
}

static struct str format_member(const struct throttle_scripts *s, int64_t time_us, char text[MEMBER_SIZE])
{
	return (struct str){ text, (size_t)snprintf(text, MEMBER_SIZE, "%s:%" PRId64, redis_origin(s->redis), time_us) };
}

static bool lacks_script(const struct redis_reply *reply)
{
	return redis_reply_type(reply) == REDIS_REPLY_IS_ERROR && str_starts(redis_reply_text(reply), "NOSCRIPT");
}

/* ---- a call that Redis decides ---- */

struct take_arguments {
	struct str words[3 + 4 * THROTTLE_MAX_CLAIMS];
	size_t n;
	char keys[THROTTLE_MAX_CLAIMS][KEY_SIZE];
	char count[NUMBER_SIZE], calls[THROTTLE_MAX_CLAIMS][NUMBER_SIZE], periods[THROTTLE_MAX_CLAIMS][NUMBER_SIZE];
	char members[THROTTLE_MAX_CLAIMS][MEMBER_SIZE];
};

static void fill_arguments(const struct throttle_scripts *s, const struct throttle_claim *claims, const int64_t *times_us, size_t n,
                           struct take_arguments *a)
{
	struct str *word = a->words;

	*word++ = WORD("EVALSHA");
	*word++ = str_of(s->take_sha);
	*word++ = format_number((int64_t)n, a->count);
	for (size_t i = 0; i < n; i++)
		*word++ = format_key(&claims[i], a->keys[i]);
	for (size_t i = 0; i < n; i++) {
		*word++ = format_number(s->rates[claims[i].scope].calls, a->calls[i]);
		*word++ = format_number(s->rates[claims[i].scope].period_us, a->periods[i]);
		*word++ = format_member(s, times_us[i], a->members[i]);
	}
	a->n = (size_t)(word - a->words);
}

static int read_answers(const struct redis_reply *reply, size_t n, struct throttle_answer *ret_answers)
{
	if (redis_reply_type(reply) != REDIS_REPLY_IS_LIST || redis_reply_size(reply) != 2 * n)
		return ERR_UNAVAILABLE;
	for (size_t i = 0; i < n; i++) {
		ret_answers[i].accepted = redis_reply_int(redis_reply_at(reply, 2 * i)) == 1;
		ret_answers[i].wait_us = redis_reply_int(redis_reply_at(reply, 2 * i + 1));
	}
	return 0;
}

int throttle_scripts_take(struct throttle_scripts *s, struct redis_budget *budget, const struct throttle_claim *claims,
                          const int64_t *times_us, size_t n, struct throttle_answer *ret_answers)
{
	struct take_arguments a;
	struct redis_command command;
	struct redis_reply *reply = NULL;
	int r;

	fill_arguments(s, claims, times_us, n, &a);
	command = (struct redis_command){ a.words, a.n };
	r = redis_call(s->redis, REDIS_CACHE, budget, "throttle", &command, 1, &reply);
	if (r == 0 && lacks_script(reply)) {
		redis_replies_free(&reply, 1);
		a.words[0] = WORD("EVAL");
		a.words[1] = str_of(take_script);
		r = redis_call(s->redis, REDIS_CACHE, budget, "throttle", &command, 1, &reply);
	}
	if (r == 0)
		r = read_answers(reply, n, ret_answers);
	redis_replies_free(&reply, 1);
	return r;
}

/* ---- calls that Redis hears of ---- */

/* The words of one log's command; its texts are in the same block, freed with free. NULL without memory. */
struct tell_arguments {
	char key[KEY_SIZE], calls[NUMBER_SIZE], period[NUMBER_SIZE];
	struct str words[6 + 2 * SLIDING_NEWS_TIMES];
	char ages[SLIDING_NEWS_TIMES][NUMBER_SIZE], members[SLIDING_NEWS_TIMES][MEMBER_SIZE];
};

static struct redis_command fill_tell(const struct throttle_scripts *s, const struct sliding_news *news, int64_t now_us,
                                      struct tell_arguments *a)
{
	const struct setting_rate *rate = &s->rates[news->claim.scope];
	struct str *word = a->words;

	*word++ = WORD("EVALSHA");
	*word++ = str_of(s->tell_sha);
	*word++ = WORD("1");
	*word++ = format_key(&news->claim, a->key);
	*word++ = format_number(rate->calls, a->calls);
	*word++ = format_number(rate->period_us, a->period);
	for (size_t i = 0; i < news->n; i++) {
		*word++ = format_number(now_us > news->times[i] ? now_us - news->times[i] : 0, a->ages[i]);
		*word++ = format_member(s, news->times[i], a->members[i]);
	}
	return (struct redis_command){ a->words, (size_t)(word - a->words) };
}

/* The script is loaded in front of those who call it: a few microseconds for Redis, and no second attempt for us. */
int throttle_scripts_tell(struct throttle_scripts *s, const struct sliding_news *news, size_t n, int64_t now_us, int64_t *ret_waits_us)
{
	struct tell_arguments *a CLEANUP(cleanup_free) = mem_array(n, sizeof(*a));
	struct redis_command commands[1 + THROTTLE_TELL_MAX] = { REDIS_COMMAND(WORD("SCRIPT"), WORD("LOAD"), str_of(tell_script)) };
	struct redis_reply *replies[1 + THROTTLE_TELL_MAX] = { NULL };
	int r;

	if (!a)
		return ERR_NOMEM;
	for (size_t i = 0; i < n; i++)
		commands[1 + i] = fill_tell(s, &news[i], now_us, &a[i]);
	r = redis_call(s->redis, REDIS_CACHE, NULL, "throttle", commands, 1 + n, replies);
	for (size_t i = 0; i < n && r == 0; i++)
		ret_waits_us[i] = redis_reply_int(replies[1 + i]); /* an error counts as none: this log is not told, the others are */
	redis_replies_free(replies, 1 + n);
	return r;
}
