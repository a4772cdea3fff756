#include "domain/poll_vote.h"

#include <math.h>
#include <pthread.h>

#include "tests/unit/domain/polls.h"

#define KEY "test-secret-key-0123456789-abcdefghijklmnopqrstuvwxyz-0123456789"

#define VOTES .secret_key = KEY, .saka_vote_cost_per_intensity = 5, .saka_vote_scale = 200, .saka_vote_max_multiplier = 2.0

static const struct settings all_on = { VOTES, .enable_saka = true, .saka_vote_enabled = true };
static const struct settings no_boost = { VOTES, .enable_saka = true };
static const struct settings all_off = { VOTES, .saka_vote_enabled = true };

static const struct account voter = { .id = 1, .is_active = true };

/* ---- hashes ---- */

static void assert_hash(const char *key, int64_t poll, int64_t user, const char *expected)
{
	char hash[POLL_HASH_SIZE];

	assert_int_equal(poll_voter_hash(key, poll, user, hash), 0);
	assert_string_equal(hash, expected);
}

static void test_poll_vote__hashes_are_those_of_django(void **state)
{
	(void)state;
	assert_hash(KEY, 1, 2, "744d6e4d17ceba8c3abb87bff5268b5c01959941cce358ab272362bade570e1c");
	assert_hash(KEY, 6, 3, "6386aa0af56cca954494f36471eb26bf98e63787b402dbfd3871dba20c6f8353");
	assert_hash(KEY, 12, 7, "d5a434c8911de8ae3ea8da31f47d11bfd8929fd99eb044a481e65eabfc91a371");
	assert_hash("clé-é", 1, 2, "2880837909fb0363d0bd59102e30b72373769e458d69508d60e2580bef383b18");
}

/* ---- judging ---- */

static struct poll_option three[] = { { .id = 1 }, { .id = 2 }, { .id = 3 } };

static struct poll poll_of_three(const char *method)
{
	return (struct poll){ .status = TEXT("open"),
		              .voting_method = str_of(method),
		              .opens_at = NULL_TIME,
		              .closes_at = NULL_TIME,
		              .max_points = NULL_INT,
		              .options = { three, 3 } };
}

static void test_poll_vote__methods(void **state)
{
	struct poll p = poll_of_three("quadratic");

	(void)state;
	assert_int_equal(poll_method(&p), POLL_QUADRATIC);
	p.voting_method = TEXT("majority");
	assert_int_equal(poll_method(&p), POLL_MAJORITY);
	p.voting_method = TEXT("binary");
	assert_int_equal(poll_method(&p), POLL_BINARY);
	p.voting_method = TEXT("Quadratic");
	assert_int_equal(poll_method(&p), POLL_BINARY);
}

static void test_poll_vote__when_votes_are_taken(void **state)
{
	struct poll p = poll_of_three("binary");
	const struct instant now = { 1000 };

	(void)state;
	assert_int_equal(poll_judge_time(&p, now), POLL_ACCEPTS);
	p.opens_at = p.closes_at = now;
	assert_int_equal(poll_judge_time(&p, now), POLL_ACCEPTS);
	p.closes_at.us = 999;
	assert_int_equal(poll_judge_time(&p, now), POLL_HAS_CLOSED);
	p.opens_at.us = 1001;
	assert_int_equal(poll_judge_time(&p, now), POLL_OPENS_LATER);
	p.status = TEXT("draft");
	assert_int_equal(poll_judge_time(&p, now), POLL_IS_NOT_OPEN);
}

static enum poll_refusal judged(const struct poll *p, size_t n, const int64_t *options)
{
	return poll_judge_options(p, &(struct poll_vote){ .options = options, .n_options = n });
}
#define JUDGED(p, ...) judged(p, sizeof((const int64_t[]){ __VA_ARGS__ }) / sizeof(int64_t), (const int64_t[]){ __VA_ARGS__ })

static void test_poll_vote__choices(void **state)
{
	struct poll p = poll_of_three("binary");

	(void)state;
	assert_int_equal(judged(&p, 0, NULL), POLL_ACCEPTS);
	assert_int_equal(JUDGED(&p, 2), POLL_ACCEPTS);
	assert_int_equal(JUDGED(&p, 4), POLL_CHOICE_IS_NONE);
	assert_int_equal(JUDGED(&p, 1, 1), POLL_CHOICE_IS_NONE);
	assert_int_equal(JUDGED(&p, 1, 2, 3, 4), POLL_CHOICE_IS_NONE);
	assert_int_equal(JUDGED(&p, 1, 2), POLL_CHOICE_IS_SINGLE);
	p.allow_multiple = true;
	assert_int_equal(JUDGED(&p, 3, 1, 2), POLL_ACCEPTS);
	assert_int_equal(JUDGED(&p, 3, 3), POLL_CHOICE_IS_NONE);
	p.options.n = 0;
	assert_int_equal(JUDGED(&p, 1), POLL_CHOICE_IS_NONE);
}

static enum poll_refusal marked(const struct poll *p, size_t n, const struct poll_mark *marks)
{
	return poll_judge_marks(p, &(struct poll_vote){ .marks = marks, .n_marks = n });
}
#define MARKED(p, ...) \
	marked(p, sizeof((const struct poll_mark[]){ __VA_ARGS__ }) / sizeof(struct poll_mark), (const struct poll_mark[]){ __VA_ARGS__ })

static void test_poll_vote__points(void **state)
{
	struct poll p = poll_of_three("quadratic");

	(void)state;
	assert_int_equal(marked(&p, 0, NULL), POLL_MARKS_ARE_NONE);
	assert_int_equal(MARKED(&p, { 1, 60 }, { 2, 40 }), POLL_ACCEPTS);
	assert_int_equal(MARKED(&p, { 1, 60 }, { 2, 41 }), POLL_MARKS_HAVE_TOO_MUCH);
	assert_int_equal(MARKED(&p, { 1, INT64_MAX }, { 2, INT64_MAX }), POLL_MARKS_HAVE_TOO_MUCH);
	assert_int_equal(MARKED(&p, { 1, 0 }, { 2, 0 }), POLL_MARKS_HAVE_NONE);
	assert_int_equal(MARKED(&p, { 1, 5 }, { 1, 5 }), POLL_MARKS_ARE_NONE);
	assert_int_equal(MARKED(&p, { 4, 5 }), POLL_MARKS_ARE_NONE);
	assert_int_equal(MARKED(&p, { 1, 60 }, { 1, 60 }), POLL_MARKS_HAVE_TOO_MUCH); /* before anything else */
	assert_int_equal(MARKED(&p, { 4, 101 }), POLL_MARKS_HAVE_TOO_MUCH);
	p.max_points = 7;
	assert_int_equal(MARKED(&p, { 1, 7 }), POLL_ACCEPTS);
	assert_int_equal(MARKED(&p, { 1, 8 }), POLL_MARKS_HAVE_TOO_MUCH);
	p.max_points = 0;
	assert_int_equal(MARKED(&p, { 1, 100 }), POLL_ACCEPTS);
	assert_int_equal(MARKED(&p, { 1, 101 }), POLL_MARKS_HAVE_TOO_MUCH);
}

static void test_poll_vote__ranks(void **state)
{
	struct poll p = poll_of_three("majority");

	(void)state;
	assert_int_equal(marked(&p, 0, NULL), POLL_MARKS_ARE_NONE);
	assert_int_equal(MARKED(&p, { 1, 1 }, { 2, 1 }, { 3, NULL_INT }), POLL_ACCEPTS);
	assert_int_equal(MARKED(&p, { 1, 1 }, { 1, 2 }), POLL_MARKS_ARE_NONE);
	assert_int_equal(MARKED(&p, { 9, 1 }), POLL_MARKS_ARE_NONE);
	p.voting_method = TEXT("binary");
	assert_int_equal(marked(&p, 0, NULL), POLL_ACCEPTS);
}

/* ---- taking ---- */

/* Casts as account `voter`; the vote must be taken. */
static struct poll_voted cast(struct fixture *f, const struct settings *s, const struct account *who, enum poll_method method,
                              const struct poll_vote *vote)
{
	struct poll_voted voted = { .weight = -1 };
	enum poll_refusal refusal;

	assert_ok(poll_cast(f->conn, &f->arena, s, who, POLL, method, vote, &voted, &refusal));
	assert_int_equal(refusal, POLL_ACCEPTS);
	return voted;
}

static struct poll_voted choose(struct fixture *f, const struct settings *s, size_t n, const int64_t *options)
{
	return cast(f, s, &voter, POLL_BINARY, &(struct poll_vote){ .options = options, .n_options = n, .intensity = 1 });
}
#define CHOOSE(s, ...) choose(f, s, sizeof((const int64_t[]){ __VA_ARGS__ }) / sizeof(int64_t), (const int64_t[]){ __VA_ARGS__ })

/* The metadata of the voter's ballot for an option. */
static struct str ballot_metadata(struct fixture *f, int64_t option)
{
	struct ballot {
		struct json_text metadata;
	} ballot = { { { NULL, 0 } } };
	static const struct db_column columns[] = { DB_COLUMN(struct ballot, metadata, JSON, "metadata") };
	static const struct db_row row = DB_ROW(struct ballot, columns);
	static const struct db_statement of_option = { "SELECT $cols FROM core_pollballot WHERE option_id = $1", &row };

	assert_ok(db_select_one(f->conn, &of_option, DB_PARAMS(DB_INT(option)), &f->arena, &ballot));
	return ballot.metadata.text;
}

static bool has_text(struct str text, const char *part)
{
	return memmem(text.s, text.len, part, strlen(part)) != NULL;
}

static void test_poll_vote__a_choice(void **state)
{
	struct fixture *f = *state;
	struct poll_voted v;

	add_poll_of_three(f);
	v = CHOOSE(&all_off, OPTION + 1);
	assert_string_equal(options_of(f, &v.poll), "10000:0=0 10001:1=1 10002:2=0");
	assert_int_equal(v.poll.total_votes, 1);
	assert_int_equal(v.poll.updated_at.us, january(20));
	assert_int_equal(NUMBER("SELECT points FROM core_pollballot WHERE ranking IS NULL AND saka_spent = 0 AND weight IS NULL"), 1);
	assert_int_equal(NUMBER("SELECT length(voter_hash) FROM core_pollballot"), 64);
	assert_int_equal(NUMBER("SELECT count(*) FROM core_sakatransaction") + NUMBER("SELECT count(*) FROM core_sakawallet"), 0);
}

/* What is chosen again stays as it is; the rest goes. */
static void test_poll_vote__a_choice_again(void **state)
{
	struct fixture *f = *state;
	struct poll_voted v;
	int64_t kept;

	add_poll_of_three(f);
	write_rows(f, "UPDATE core_poll SET allow_multiple = true");
	CHOOSE(&all_off, OPTION, OPTION + 1);
	kept = NUMBER("SELECT id FROM core_pollballot WHERE option_id = 10001");
	v = CHOOSE(&all_off, OPTION + 1, OPTION + 2);
	assert_string_equal(options_of(f, &v.poll), "10000:0=0 10001:1=1 10002:2=1");
	assert_int_equal(NUMBER("SELECT id FROM core_pollballot WHERE option_id = 10001"), kept);
	v = CHOOSE(&all_off, OPTION);
	assert_string_equal(options_of(f, &v.poll), "10000:0=1 10001:1=0 10002:2=0");
	assert_int_equal(NUMBER("SELECT count(*) FROM core_auditlog"), 3);
}

/* Of an anonymous poll nothing is kept that tells who it was: no id, no second, no hash in the journal. */
static void test_poll_vote__what_an_anonymous_poll_keeps(void **state)
{
	struct fixture *f = *state;
	struct str metadata;

	add_poll_of_three(f);
	CHOOSE(&all_off, OPTION);
	metadata = ballot_metadata(f, OPTION);
	assert_true(has_text(metadata, ":00.000000+00:00"));
	assert_false(has_text(metadata, "user_id"));
	assert_text(noted(f, "poll_vote"), "{}");
	assert_int_equal(NUMBER("SELECT actor_id FROM core_auditlog"), 1);
}

static void test_poll_vote__what_an_open_poll_keeps(void **state)
{
	char expected[200], hash[POLL_HASH_SIZE];
	struct fixture *f = *state;
	struct str metadata;

	add_poll_of_three(f);
	write_rows(f, "UPDATE core_poll SET is_anonymous = false");
	CHOOSE(&all_off, OPTION);
	metadata = ballot_metadata(f, OPTION);
	assert_true(has_text(metadata, "\"user_id\":1") || has_text(metadata, "\"user_id\": 1"));
	assert_true(has_text(metadata, "+00:00"));
	assert_int_equal(poll_voter_hash(KEY, POLL, 1, hash), 0);
	snprintf(expected, sizeof(expected), "{\"hash\":\"%s\",\"options\":[10000]}", hash);
	assert_text(noted(f, "poll_vote"), expected);
}

static void test_poll_vote__points_become_ballots(void **state)
{
	static const struct poll_mark marks[] = { { OPTION, 60 }, { OPTION + 1, 0 }, { OPTION + 2, 40 } };
	const struct poll_vote vote = { .marks = marks, .n_marks = 3, .received = { STR("[{\"option_id\":\"10000\"}]") }, .intensity = 3 };
	struct fixture *f = *state;
	struct poll_voted v;

	add_poll_of_three(f);
	add_saka(f, 1, 100);
	write_rows(f, "UPDATE core_poll SET voting_method = 'quadratic', is_anonymous = false");
	v = cast(f, &all_on, &voter, POLL_QUADRATIC, &vote);
	assert_string_equal(options_of(f, &v.poll), "10000:0=1 10001:1=0 10002:2=1");
	assert_int_equal(v.saka_spent, 15);
	assert_int_equal(v.saka_cost, 15);
	assert_int_equal(v.intensity, 3);
	assert_true(fabs(v.weight - 1.861954618136543) < 1e-12);
	assert_int_equal(NUMBER("SELECT count(*) FROM core_pollballot WHERE saka_spent = 15 AND weight > 1.8619 AND ranking IS NULL"), 2);
	assert_int_equal(NUMBER("SELECT points FROM core_pollballot WHERE option_id = 10002"), 40);
	assert_true(has_text(ballot_metadata(f, OPTION), "intensity"));
	assert_true(has_text(noted(f, "poll_vote"), "\"votes\":[{\"option_id\":\"10000\"}]"));
	assert_int_equal(NUMBER("SELECT balance FROM core_sakawallet"), 90); /* 15 spent, 5 earned */
	assert_int_equal(NUMBER("SELECT count(*) FROM core_sakatransaction WHERE reason = 'poll_boost' AND amount = 15"), 1);
	v = cast(f, &all_on, &voter, POLL_QUADRATIC,
	         &(struct poll_vote){ .marks = marks + 2, .n_marks = 1, .received = { STR("[]") }, .intensity = 5 });
	assert_string_equal(options_of(f, &v.poll), "10000:0=0 10001:1=0 10002:2=1");
	assert_true(fabs(v.weight - 2.5155764746872635) < 1e-12);
	assert_int_equal(NUMBER("SELECT balance FROM core_sakawallet"), 70);
}

static void assert_unboosted(struct fixture *f, const struct settings *s, int64_t balance)
{
	static const struct poll_mark mark = { OPTION, 1 };
	struct poll_voted v = cast(f, s, &voter, POLL_QUADRATIC, &(struct poll_vote){ .marks = &mark, .n_marks = 1, .intensity = 4 });

	assert_int_equal(v.saka_spent, 0);
	assert_int_equal(v.saka_cost, 20);
	assert_true(fabs(v.weight - 2.0) < 1e-12);
	assert_int_equal(v.poll.total_votes, 1);
	assert_int_equal(NUMBER("SELECT COALESCE(SUM(balance), -1) FROM core_sakawallet"), balance);
}

/* Too poor, or grains are off: the vote counts all the same. */
static void test_poll_vote__without_grains(void **state)
{
	struct fixture *f = *state;

	add_poll_of_three(f);
	write_rows(f, "UPDATE core_poll SET voting_method = 'quadratic'");
	assert_unboosted(f, &all_off, -1); /* no wallet is made */
	assert_unboosted(f, &all_on, 5);   /* it is made, empty, and rewarded */
	assert_unboosted(f, &no_boost, 10);
	write_rows(f, "UPDATE core_sakawallet SET balance = 30, total_harvested = 30");
	assert_unboosted(f, &no_boost, 35);
	assert_unboosted(f, &all_off, 35);
	assert_int_equal(NUMBER("SELECT count(*) FROM core_sakatransaction WHERE direction = 'SPEND'"), 0);
}

static void test_poll_vote__the_multiplier_has_a_ceiling(void **state)
{
	static const struct poll_mark mark = { OPTION, 1 };
	const struct settings dear = { .secret_key = KEY,
		                       .saka_vote_cost_per_intensity = 100,
		                       .saka_vote_scale = 50,
		                       .saka_vote_max_multiplier = 2.5,
		                       .enable_saka = true,
		                       .saka_vote_enabled = true };
	struct fixture *f = *state;
	struct poll_voted v;

	add_poll_of_three(f);
	add_saka(f, 1, 100);
	write_rows(f, "UPDATE core_poll SET voting_method = 'quadratic'");
	v = cast(f, &dear, &voter, POLL_QUADRATIC, &(struct poll_vote){ .marks = &mark, .n_marks = 1, .intensity = 1 });
	assert_int_equal(v.saka_spent, 100);
	assert_true(fabs(v.weight - 2.5) < 1e-12);
}

static void test_poll_vote__ranks_become_ballots(void **state)
{
	static const struct poll_mark marks[] = { { OPTION, 2 }, { OPTION + 1, NULL_INT }, { OPTION + 2, 2 } };
	const struct poll_vote vote = { .marks = marks, .n_marks = 3, .received = { STR("[{\"option_id\":10001}]") } };
	struct fixture *f = *state;
	struct poll_voted v;

	add_poll_of_three(f);
	write_rows(f, "UPDATE core_poll SET voting_method = 'majority', is_anonymous = false");
	v = cast(f, &all_on, &voter, POLL_MAJORITY, &vote);
	assert_string_equal(options_of(f, &v.poll), "10000:0=1 10001:1=1 10002:2=1");
	assert_int_equal(NUMBER("SELECT count(*) FROM core_pollballot WHERE ranking = 2 AND points = 1 AND weight IS NULL"), 2);
	assert_true(has_text(ballot_metadata(f, OPTION + 1), "null"));
	assert_true(has_text(noted(f, "poll_vote"), "\"rankings\":[{\"option_id\":10001}]"));
	v = cast(f, &all_on, &voter, POLL_MAJORITY, &(struct poll_vote){ .marks = marks, .n_marks = 1, .received = { STR("[]") } });
	assert_string_equal(options_of(f, &v.poll), "10000:0=1 10001:1=0 10002:2=0");
	assert_int_equal(NUMBER("SELECT balance FROM core_sakawallet"), 10); /* the first vote, and the second */
}

static void test_poll_vote__ten_rewards_a_day(void **state)
{
	struct fixture *f = *state;

	add_poll_of_three(f);
	for (int i = 0; i < 12; i++)
		CHOOSE(&no_boost, OPTION + i % 3);
	assert_int_equal(NUMBER("SELECT balance FROM core_sakawallet"), 50);
	assert_int_equal(NUMBER("SELECT count(*) FROM core_sakatransaction WHERE reason = 'poll_vote'"), 10);
	assert_int_equal(NUMBER("SELECT count(*) FROM core_pollballot"), 1);
}

static int refused(struct fixture *f, int64_t poll, enum poll_method method, int64_t option, enum poll_refusal *ret_refusal)
{
	struct poll_voted voted;
	const struct poll_vote vote = { .options = &option, .n_options = 1, .intensity = 1 };

	return poll_cast(f->conn, &f->arena, &all_on, &voter, poll, method, &vote, &voted, ret_refusal);
}

/* What has changed since the vote was read is seen, and nothing is written. */
static void test_poll_vote__is_judged_on_the_locked_poll(void **state)
{
	struct fixture *f = *state;
	enum poll_refusal refusal;

	add_poll_of_three(f);
	assert_int_equal(refused(f, UNKNOWN, POLL_BINARY, OPTION, &refusal), ERR_NOT_FOUND);
	assert_int_equal(refusal, POLL_ACCEPTS);
	assert_int_equal(refused(f, POLL, POLL_BINARY, UNKNOWN, &refusal), ERR_INVALID);
	assert_int_equal(refusal, POLL_CHOICE_IS_NONE);
	assert_int_equal(refused(f, POLL, POLL_QUADRATIC, OPTION, &refusal), ERR_CONFLICT);
	write_rows(f, "UPDATE core_poll SET status = 'closed'");
	assert_int_equal(refused(f, POLL, POLL_BINARY, OPTION, &refusal), ERR_INVALID);
	assert_int_equal(refusal, POLL_IS_NOT_OPEN);
	write_rows(f, "UPDATE core_poll SET status = 'open', voting_method = 'majority'");
	assert_int_equal(refused(f, POLL, POLL_MAJORITY, OPTION, &refusal), ERR_INVALID);
	assert_int_equal(refusal, POLL_MARKS_ARE_NONE);
	assert_int_equal(NUMBER("SELECT count(*) FROM core_pollballot") + NUMBER("SELECT count(*) FROM core_auditlog") +
	                         NUMBER("SELECT count(*) FROM core_sakawallet"),
	                 0);
}

static void test_poll_vote__all_or_nothing(void **state)
{
	static const struct poll_mark mark = { OPTION + 1, 10 };
	const struct poll_vote vote = { .marks = &mark, .n_marks = 1, .intensity = 2 };
	struct fixture *f = *state;
	enum poll_refusal refusal;
	struct poll_voted voted;
	char hash[POLL_HASH_SIZE];
	int failures = 0;

	add_poll_of_three(f);
	add_saka(f, 1, 100);
	write_rows(f, "UPDATE core_poll SET voting_method = 'quadratic'");
	assert_int_equal(poll_voter_hash(KEY, POLL, 1, hash), 0);
	add_ballot(f, POLL, OPTION, hash);
	for (int n = 1;; n++) {
		int r;

		fault_arm(FAULT_SQL_STEP, n, /* repeat: */ false);
		r = poll_cast(f->conn, &f->arena, &all_on, &voter, POLL, POLL_QUADRATIC, &vote, &voted, &refusal);
		fault_disarm_all();
		if (r == 0)
			break;
		failures++;
		assert_int_equal(refusal, POLL_ACCEPTS);
		assert_int_equal(NUMBER("SELECT balance FROM core_sakawallet"), 100);
		assert_int_equal(NUMBER("SELECT option_id FROM core_pollballot"), OPTION);
		assert_int_equal(NUMBER("SELECT count(*) FROM core_sakatransaction") + NUMBER("SELECT count(*) FROM core_auditlog"), 0);
	}
	assert_true(failures >= 9);
	assert_int_equal(NUMBER("SELECT option_id FROM core_pollballot"), OPTION + 1);
	assert_int_equal(NUMBER("SELECT balance FROM core_sakawallet"), 95);
}

/* ---- many at once ---- */

#define THREADS 8
#define EACH    8

struct crowd {
	pthread_t id;
	struct fixture *f;
	int64_t user; /* of the first vote */
	bool is_one;  /* all votes are his; else each is the next one's */
	int failed;
};

static void *vote_repeatedly(void *arg)
{
	struct crowd *c = arg;
	struct error err = { 0 };
	struct db_conn *conn;

	if (db_connect(c->f->db, &conn, &err) < 0) {
		c->failed = EACH;
		return NULL;
	}
	for (int i = 0; i < EACH; i++) {
		const struct account who = { .id = c->is_one ? 1 : c->user + i };
		int64_t option = OPTION + i % 3;
		const struct poll_vote vote = { .options = &option, .n_options = 1, .intensity = 1 };
		enum poll_refusal refusal;
		struct poll_voted voted;
		struct arena arena;

		arena_init(&arena, 1 << 20);
		c->failed += poll_cast(conn, &arena, &no_boost, &who, POLL, POLL_BINARY, &vote, &voted, &refusal) != 0;
		arena_finish(&arena);
	}
	db_disconnect(conn);
	return NULL;
}

static void crowd_votes(struct fixture *f, bool is_one)
{
	struct crowd crowd[THREADS];

	for (int i = 0; i < THREADS; i++) {
		crowd[i] = (struct crowd){ .f = f, .user = 1 + i * EACH, .is_one = is_one };
		assert_int_equal(pthread_create(&crowd[i].id, NULL, vote_repeatedly, &crowd[i]), 0);
	}
	for (int i = 0; i < THREADS; i++) {
		pthread_join(crowd[i].id, NULL);
		assert_int_equal(crowd[i].failed, 0);
	}
}

static void test_poll_vote__one_voter_sixty_four_times_at_once(void **state)
{
	struct fixture *f = *state;

	add_poll_of_three(f);
	crowd_votes(f, /* is_one: */ true);
	assert_int_equal(NUMBER("SELECT count(*) FROM core_pollballot"), 1);
	assert_int_equal(NUMBER("SELECT count(*) FROM core_auditlog WHERE action = 'poll_vote'"), THREADS * EACH);
	assert_int_equal(NUMBER("SELECT balance FROM core_sakawallet"), 50);
}

static void test_poll_vote__sixty_four_voters_at_once(void **state)
{
	struct fixture *f = *state;

	add_poll_of_three(f);
	for (int user = 2; user <= THREADS * EACH; user++)
		add_account(f, user);
	crowd_votes(f, /* is_one: */ false);
	assert_int_equal(found(f, POLL).total_votes, THREADS * EACH);
	assert_int_equal(NUMBER("SELECT count(DISTINCT voter_hash) FROM core_pollballot"), THREADS * EACH);
	assert_int_equal(NUMBER("SELECT SUM(balance) FROM core_sakawallet"), 5 * THREADS * EACH);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(test_poll_vote__hashes_are_those_of_django),
		CASE(test_poll_vote__methods),
		CASE(test_poll_vote__when_votes_are_taken),
		CASE(test_poll_vote__choices),
		CASE(test_poll_vote__points),
		CASE(test_poll_vote__ranks),
		CASE(test_poll_vote__a_choice),
		CASE(test_poll_vote__a_choice_again),
		CASE(test_poll_vote__what_an_anonymous_poll_keeps),
		CASE(test_poll_vote__what_an_open_poll_keeps),
		CASE(test_poll_vote__points_become_ballots),
		CASE(test_poll_vote__without_grains),
		CASE(test_poll_vote__the_multiplier_has_a_ceiling),
		CASE(test_poll_vote__ranks_become_ballots),
		CASE(test_poll_vote__ten_rewards_a_day),
		CASE(test_poll_vote__is_judged_on_the_locked_poll),
		CASE(test_poll_vote__all_or_nothing),
		CASE(test_poll_vote__one_voter_sixty_four_times_at_once),
		CASE(test_poll_vote__sixty_four_voters_at_once),
	};

	return RUN_ON_BOTH(tests);
}
