/* The outside services of embeddings and speech, played by an answerer; runs that ask them. */
#ifndef TESTS_UNIT_TASKS_SERVICES_H
#define TESTS_UNIT_TASKS_SERVICES_H

#include "tasks/provider.h"
#include "tests/lib/server.h"
#include "tests/unit/domain/messages.h"
#include "tests/unit/domain/vectors.h"
#include "tests/unit/tasks/answerer.h"
#include "tests/unit/tasks/runs.h"

#define OPENAI_KEY     "sk-canary-1"
#define ELEVENLABS_KEY "el-canary-2"

struct outside {
	struct answerer answerer;
	char url[60], media_root[80];
	struct settings settings;
	struct task_services services;
};

/* Settings with both keys, whose services answer this; absent: nobody listens. End it with outside_stop. */
static inline void outside_start(struct outside *o, struct fixture *f, struct str answer)
{
	*o = (struct outside){
		.settings = { .openai_api_key = OPENAI_KEY, .elevenlabs_api_key = ELEVENLABS_KEY, .media_root = o->media_root },
		.services = { .settings = &o->settings }
	};
	if (answer.s)
		answerer_start(&o->answerer, answer.s);
	snprintf(o->url, sizeof(o->url), "http://127.0.0.1:%d/", answer.s ? o->answerer.port : test_free_port());
	snprintf(o->media_root, sizeof(o->media_root), "/tmp/egoejo-ml-XXXXXX");
	assert_non_null(mkdtemp(o->media_root));
	o->settings.openai_base_url = o->settings.elevenlabs_base_url = o->url;
}

/* What was asked stays readable until outside_finish. */
static inline void outside_stop(struct outside *o)
{
	if (o->answerer.answer.s)
		answerer_stop(&o->answerer);
}

static inline void outside_finish(struct outside *o)
{
	char command[120];

	snprintf(command, sizeof(command), "rm -rf '%s'", o->media_root);
	assert_int_equal(system(command), 0);
	answerer_finish(&o->answerer);
}

/* Whether its last request had this in it. */
static inline void assert_asked(const struct outside *o, const char *text)
{
	if (!o->answerer.request.data || !strstr(o->answerer.request.data, text))
		fail_msg("asked %s\nwithout %s", o->answerer.request.data ? o->answerer.request.data : "nothing", text);
}

/* Runs it; the result, or the error's message, in the arena of the test. */
static inline struct str outcome_of(struct fixture *f, const struct task_services *services, const char *name, const char *args, int n,
                                    enum task_outcome expected, int64_t *ret_retry_after_s)
{
	struct task_run run = run_of(f, services, name, args, n);
	enum task_outcome outcome = task_execute(&run);
	struct str text;

	if (outcome != expected)
		fail_msg("%d: %s %.*s", outcome, run.error.message, STR_ARG(buf_view(&run.result)));
	text = arena_str(&f->arena, outcome == TASK_SUCCEEDED ? buf_view(&run.result) : str_of(run.error.message));
	if (ret_retry_after_s)
		*ret_retry_after_s = run.retry_after_s;
	run_done(&run);
	return text;
}

#define assert_answers(f, services, name, args, n, expected) \
	assert_text(outcome_of(f, services, name, args, n, TASK_SUCCEEDED, NULL), expected)

#endif
