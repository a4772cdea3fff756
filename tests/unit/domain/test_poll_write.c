#include "tests/unit/domain/polls.h"

static const struct account ana = { .id = 1, .is_active = true };
static const struct poll_options_in untouched = { NULL, 0 };

static struct poll new_poll(void)
{
	return (struct poll){ .title = TEXT("Le \"verger\""),
		              .question = TEXT("Où ?"),
		              .description = TEXT(""),
		              .status = TEXT("draft"),
		              .is_anonymous = true,
		              .quorum = 3,
		              .opens_at = NULL_TIME,
		              .closes_at = { january(9) },
		              .project_id = NULL_INT,
		              .voting_method = TEXT("majority"),
		              .max_points = NULL_INT };
}

static void test_poll_write__create(void **state)
{
	const struct poll_option_in list[] = { { .id = 55, .label = TEXT("un"), .position = 4 },
		                               { .label = TEXT("deux"), .position = 4 },
		                               { .label = TEXT("trois"), .position = 0 } };
	const struct poll_options_in options = { list, 3 };
	struct fixture *f = *state;
	const struct poll in = new_poll();
	const struct poll_option *o;
	struct poll p = { .id = 0 };
	struct str note;

	add_account(f, 1);
	assert_ok(poll_create(f->conn, &f->arena, &ana, &in, &options, &p));
	assert_text(p.title, "Le \"verger\"");
	assert_int_equal(p.closes_at.us, january(9));
	assert_int_equal(p.creator.id, 1);
	assert_text(p.voting_method, "majority");
	assert_int_equal(p.created_at.us, p.updated_at.us);
	assert_int_equal(p.options.n, 3);
	o = p.options.items;
	assert_text(o[0].label, "trois");
	assert_text(o[1].label, "un");
	assert_text(o[2].label, "deux");
	assert_true(o[1].id != 55);
	assert_int_equal(found(f, p.id).options.n, 3);
	note = noted(f, "poll_create");
	assert_text(note, "{\"title\":\"Le\\\"verger\\\"\"}");
	assert_int_equal(NUMBER("SELECT count(*) FROM core_auditlog WHERE actor_id = 1"), 1);
}

static void test_poll_write__create_without_options(void **state)
{
	struct fixture *f = *state;
	const struct poll in = new_poll();
	struct poll p = { .id = 0 };

	add_account(f, 1);
	assert_ok(poll_create(f->conn, &f->arena, &ana, &in, &untouched, &p));
	assert_int_equal(p.options.n, 0);
}

static void retitle(const void *arg, struct poll *p)
{
	p->title = *(const struct str *)arg;
	p->quorum = NULL_INT;
}

static const struct str verger = STR("Verger");
static const struct poll_edit to_verger = { retitle, &verger };

static void test_poll_write__update(void **state)
{
	struct fixture *f = *state;
	struct poll p = { .id = 0 };

	add_poll_of_three(f);
	assert_ok(poll_update(f->conn, &f->arena, &ana, POLL, &to_verger, &untouched, &p));
	assert_text(p.title, "Verger");
	assert_text(p.question, "q ?");
	assert_int_equal(p.created_at.us, january(5));
	assert_true(p.updated_at.us > january(20));
	assert_string_equal(options_of(f, &p), "10000:0=0 10001:1=0 10002:2=0");
	assert_text(noted(f, "poll_update"), "{}");
	assert_int_equal(poll_update(f->conn, &f->arena, &ana, UNKNOWN, &to_verger, &untouched, &p), ERR_NOT_FOUND);
	assert_int_equal(NUMBER("SELECT count(*) FROM core_auditlog"), 1);
}

/* A complete new set: one is kept with its ballots, one of another poll is new, what is not named goes with its ballots. */
static void test_poll_write__options_are_replaced(void **state)
{
	const struct poll_option_in list[] = { { .label = TEXT("neuf"), .position = 0 },
		                               { .id = OPTION + 1, .label = TEXT("gardé"), .position = 1 },
		                               { .id = OPTION + 9, .label = TEXT("ailleurs"), .position = 2 } };
	const struct poll_options_in options = { list, 3 };
	struct fixture *f = *state;
	const struct poll_option *o;
	struct poll p = { .id = 0 };

	add_poll_of_three(f);
	add_poll(f, POLL + 1, 0, 6);
	add_option(f, OPTION + 9, POLL + 1, 0);
	add_ballot(f, POLL, OPTION, "a");
	add_ballot(f, POLL, OPTION + 1, "b");
	add_ballot(f, POLL + 1, OPTION + 9, "a");
	assert_ok(poll_update(f->conn, &f->arena, &ana, POLL, &to_verger, &options, &p));
	assert_int_equal(p.options.n, 3);
	assert_int_equal(p.total_votes, 1);
	o = p.options.items;
	assert_text(o[0].label, "neuf");
	assert_text(o[1].label, "gardé");
	assert_int_equal(o[1].id, OPTION + 1);
	assert_int_equal(o[1].votes, 1);
	assert_true(o[2].id != OPTION + 9);
	p = found(f, POLL + 1);
	assert_string_equal(options_of(f, &p), "10009:0=1");
	assert_text(((const struct poll_option *)p.options.items)->label, "o10009");
}

static void test_poll_write__an_empty_list_takes_all(void **state)
{
	static const struct poll_option_in none;
	const struct poll_options_in options = { &none, 0 };
	struct fixture *f = *state;
	struct poll p = { .id = 0 };

	add_poll_of_three(f);
	add_ballot(f, POLL, OPTION, "a");
	assert_ok(poll_update(f->conn, &f->arena, &ana, POLL, &to_verger, &options, &p));
	assert_int_equal(p.options.n, 0);
	assert_int_equal(NUMBER("SELECT count(*) FROM core_polloption") + NUMBER("SELECT count(*) FROM core_pollballot"), 0);
}

static void test_poll_write__open_and_close(void **state)
{
	struct fixture *f = *state;
	struct instant before = clock_now();
	struct poll p = { .id = 0 };
	int64_t first;

	add_poll_of_three(f);
	write_rows(f, "UPDATE core_poll SET status = 'draft'");
	assert_ok(poll_open(f->conn, &f->arena, &ana, POLL, &p));
	assert_text(p.status, "open");
	assert_true(p.opens_at.us >= before.us);
	first = p.opens_at.us;
	assert_int_equal(p.updated_at.us, january(20));
	assert_text(noted(f, "poll_open"), "{}");
	assert_ok(poll_close(f->conn, &f->arena, &ana, POLL, &p));
	assert_text(p.status, "closed");
	assert_true(p.closes_at.us >= first);
	assert_text(noted(f, "poll_close"), "{}");
	clock_advance_for_tests(US_PER_S);
	assert_ok(poll_close(f->conn, &f->arena, &ana, POLL, &p)); /* again: a new closing time */
	assert_true(p.closes_at.us >= first + US_PER_S);
	assert_ok(poll_open(f->conn, &f->arena, &ana, POLL, &p)); /* it takes votes again */
	assert_int_equal(p.closes_at.us, NULL_TIME.us);
	assert_int_equal(p.opens_at.us, first);
	assert_int_equal(p.updated_at.us, january(20));
	write_rows(f, "UPDATE core_poll SET closes_at = '2999-01-01 00:00:00'");
	assert_ok(poll_open(f->conn, &f->arena, &ana, POLL, &p)); /* what is in the future stays */
	assert_true(p.closes_at.us != NULL_TIME.us);
	assert_int_equal(poll_open(f->conn, &f->arena, &ana, UNKNOWN, &p), ERR_NOT_FOUND);
	assert_int_equal(poll_close(f->conn, &f->arena, &ana, UNKNOWN, &p), ERR_NOT_FOUND);
	assert_int_equal(NUMBER("SELECT count(*) FROM core_auditlog"), 5);
}

static void test_poll_write__delete_takes_all_that_is_its_own(void **state)
{
	struct fixture *f = *state;

	add_poll_of_three(f);
	add_poll(f, POLL + 1, 0, 6);
	add_option(f, OPTION + 9, POLL + 1, 0);
	add_ballot(f, POLL, OPTION, "a");
	add_ballot(f, POLL + 1, OPTION + 9, "a");
	assert_ok(poll_delete(f->conn, &f->arena, &ana, POLL));
	assert_int_equal(NUMBER("SELECT count(*) FROM core_poll"), 1);
	assert_int_equal(NUMBER("SELECT count(*) FROM core_polloption"), 1);
	assert_int_equal(NUMBER("SELECT count(*) FROM core_pollballot"), 1);
	assert_text(noted(f, "poll_delete"), "{\"title\":\"Titre1000\"}");
	assert_int_equal(poll_delete(f->conn, &f->arena, &ana, POLL), ERR_NOT_FOUND);
}

/* Whichever statement fails, nothing of the change is there. */
static void test_poll_write__all_or_nothing(void **state)
{
	const struct poll_option_in list[] = { { .label = TEXT("neuf"), .position = 0 }, { .id = OPTION, .label = TEXT("gardé") } };
	const struct poll_options_in options = { list, 2 };
	struct fixture *f = *state;
	struct poll p = { .id = 0 };
	int failures = 0;

	add_poll_of_three(f);
	add_ballot(f, POLL, OPTION + 1, "a");
	for (int n = 1;; n++) {
		int r;

		fault_arm(FAULT_SQL_STEP, n, /* repeat: */ false);
		r = poll_update(f->conn, &f->arena, &ana, POLL, &to_verger, &options, &p);
		fault_disarm_all();
		if (r == 0)
			break;
		failures++;
		assert_int_equal(NUMBER("SELECT count(*) FROM core_polloption WHERE label LIKE 'o1%'"), 3);
		assert_int_equal(NUMBER("SELECT count(*) FROM core_pollballot") + NUMBER("SELECT count(*) FROM core_auditlog"), 1);
		assert_int_equal(NUMBER("SELECT count(*) FROM core_poll WHERE title = 'Verger'"), 0);
	}
	assert_true(failures >= 7);
	assert_int_equal(p.options.n, 2);
	assert_int_equal(NUMBER("SELECT count(*) FROM core_pollballot"), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(test_poll_write__create),
		CASE(test_poll_write__create_without_options),
		CASE(test_poll_write__update),
		CASE(test_poll_write__options_are_replaced),
		CASE(test_poll_write__an_empty_list_takes_all),
		CASE(test_poll_write__open_and_close),
		CASE(test_poll_write__delete_takes_all_that_is_its_own),
		CASE(test_poll_write__all_or_nothing),
	};

	return RUN_ON_BOTH(tests);
}
