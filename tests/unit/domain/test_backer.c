#include "domain/backer.h"

#include "tests/unit/domain/backers.h"

static void assert_backer(const struct backers *backers, size_t i, const char *email, int64_t cents)
{
	const struct backer *list = backers->list.items;

	assert_true(i < backers->list.n);
	assert_text(list[i].email, email);
	assert_int_equal(list[i].amount.cents, cents);
}

static void test_backer__amounts_of_one_person_are_added(void **state)
{
	struct fixture *f = *state;
	struct backers backers;

	add_backed_project(f, 5, "Forêt");
	add_backer(f, 1, "ana@example.org");
	add_backer(f, 2, "");
	add_backer(f, 3, "eli@example.org");
	add_escrow(f, 5, 3, 1010, "RELEASED");
	add_escrow(f, 5, 1, 10, "RELEASED");
	add_escrow(f, 5, 1, 20, "RELEASED");
	add_escrow(f, 5, 2, 500, "RELEASED");
	add_escrow(f, 5, 1, 7777, "LOCKED");
	add_escrow(f, 5, 3, 7777, "REFUNDED");
	assert_ok(backers_read(f->conn, &f->arena, 5, &backers));
	assert_text(backers.title, "Forêt");
	assert_int_equal(backers.contracts, 4);
	assert_int_equal(backers.all, 4);
	assert_int_equal(backers.list.n, 3);
	assert_backer(&backers, 0, "ana@example.org", 30);
	assert_backer(&backers, 1, "", 500);
	assert_backer(&backers, 2, "eli@example.org", 1010);
}

static void test_backer__no_project_and_no_contract(void **state)
{
	struct fixture *f = *state;
	struct backers backers;

	assert_int_equal(backers_read(f->conn, &f->arena, 5, &backers), ERR_NOT_FOUND);
	add_backed_project(f, 5, "t");
	assert_ok(backers_read(f->conn, &f->arena, 5, &backers));
	assert_int_equal(backers.list.n, 0);
}

static void test_backer__the_first_thousand_contracts(void **state)
{
	struct fixture *f = *state;
	struct backers backers;

	add_backed_project(f, 5, "t");
	add_backer(f, 1, "ana@example.org");
	add_backer(f, 2, "eli@example.org");
	add_escrows(f, 5, 1, BACKERS_CONTRACTS_MAX - 1, 1);
	add_escrow(f, 5, 2, 5, "RELEASED");
	add_escrow(f, 5, 2, 100, "RELEASED");
	assert_ok(backers_read(f->conn, &f->arena, 5, &backers));
	assert_int_equal(backers.contracts, BACKERS_CONTRACTS_MAX);
	assert_int_equal(backers.all, BACKERS_CONTRACTS_MAX + 1);
	assert_backer(&backers, 0, "ana@example.org", BACKERS_CONTRACTS_MAX - 1);
	assert_backer(&backers, 1, "eli@example.org", 5);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		CASE(test_backer__amounts_of_one_person_are_added),
		CASE(test_backer__no_project_and_no_contract),
		CASE(test_backer__the_first_thousand_contracts),
	};

	return RUN_ON_BOTH(tests);
}
