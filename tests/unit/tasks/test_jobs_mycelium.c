#include "domain/semantic.h"
#include "tests/unit/tasks/services.h"

#define REDUCE "core.tasks_mycelium.reduce_embeddings_to_3d"
#define ASK    "core.tasks_mycelium.batch_reduce_embeddings"

static const struct settings settings;
static const struct task_services services = { .settings = &settings };

static size_t points(struct fixture *f, enum semantic_kind kind)
{
	struct db_rows points = { NULL, 0 };

	assert_ok(semantic_points(f->conn, &f->arena, kind, &points));
	return points.n;
}

static void add_some(struct fixture *f)
{
	add_project(f, 1, "a", "", EMBEDDING("[3, 0]"));
	add_project(f, 2, "b", "", EMBEDDING("[-3, 1]"));
	add_content(f, 3, "published", "c", EMBEDDING("[0, 2, 1]"));
	add_content(f, 4, "draft", "d", EMBEDDING("[0, 2, 1]"));
}

static void test_jobs_mycelium__places_what_it_is_asked_for(void **state)
{
	struct fixture *f = *state;

	add_some(f);
	assert_answers(f, &services, REDUCE, "[\"projet\", \"tsne\"]", 1,
	               "{\"success\": true, \"count\": 2, \"method\": \"tsne\", \"content_type\": \"projet\"}");
	assert_int_equal(points(f, SEMANTIC_PROJECTS), 2);
	assert_int_equal(points(f, SEMANTIC_CONTENTS), 0);
	assert_answers(f, &services, REDUCE, "[\"educational_content\"]", 2,
	               "{\"success\": true, \"count\": 1, \"method\": \"umap\", \"content_type\": \"educational_content\"}");
	assert_int_equal(points(f, SEMANTIC_CONTENTS), 1);
	for (int i = 0; i < 2; i++)
		assert_answers(f, &services, REDUCE, "[]", 3,
		               "{\"success\": true, \"count\": 3, \"method\": \"umap\", \"content_type\": \"both\"}");
	assert_int_equal(count_of(f, "SELECT COUNT(*) FROM egoejo_task_done"), 3);
}

static void test_jobs_mycelium__what_it_cannot_do(void **state)
{
	struct fixture *f = *state;

	assert_answers(f, &services, REDUCE, "[]", 1, "{\"success\": false, \"error\": \"there are no vectors to reduce\"}");
	add_some(f);
	assert_answers(f, &services, REDUCE, "[\"both\", \"pca\"]", 2, "{\"success\": false, \"error\": \"unknown method: umap or tsne\"}");
	assert_answers(f, &services, REDUCE, "[\"poll\"]", 3,
	               "{\"success\": false, \"error\": \"unknown content_type: both, projet or educational_content\"}");
	assert_answers(f, &services, REDUCE, "[\"\", \"\"]", 4, "{\"success\": false, \"error\": \"unknown method: umap or tsne\"}");
	assert_int_equal(points(f, SEMANTIC_PROJECTS), 0);
}

static void test_jobs_mycelium__ends_when_it_is_late(void **state)
{
	struct fixture *f = *state;
	atomic_bool stop = true;
	struct task_run run = run_of(f, &services, REDUCE, "[]", 1);

	add_some(f);
	run.stop = &stop;
	assert_int_equal(task_execute(&run), TASK_FAILED);
	assert_true(run.hurried);
	assert_string_equal(run.error.type, "SoftTimeLimitExceeded");
	run_done(&run);
	assert_int_equal(points(f, SEMANTIC_PROJECTS), 0);
}

static void test_jobs_mycelium__asks_for_a_reduction(void **state)
{
	struct fixture *f = *state;
	struct str first = outcome_of(f, &services, ASK, "[]", 1, TASK_SUCCEEDED, NULL);

	assert_true(str_starts(first, "{\"success\": true, \"task_id\": \""));
	assert_int_equal(first.len, sizeof("{\"success\": true, \"task_id\": \"00000000-0000-4000-8000-000000000000\"}") - 1);
	assert_text(args_of_message(f, 0), "[\"both\", \"umap\"]");
	assert_true(str_equal(first, outcome_of(f, &services, ASK, "[]", 1, TASK_SUCCEEDED, NULL)));
	outcome_of(f, &services, ASK, "[\"tsne\", \"projet\"]", 2, TASK_SUCCEEDED, NULL);
	assert_text(args_of_message(f, 0), "[\"projet\", \"tsne\"]");
	assert_int_equal(count_of(f, "SELECT COUNT(*) FROM egoejo_outbox WHERE name = '" REDUCE "' AND durable"), 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(test_jobs_mycelium__places_what_it_is_asked_for),
		CASE(test_jobs_mycelium__what_it_cannot_do),
		CASE(test_jobs_mycelium__ends_when_it_is_late),
		CASE(test_jobs_mycelium__asks_for_a_reduction),
	};

	return RUN_ON_BOTH(tests);
}
