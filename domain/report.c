/* Reports in memory, from the request that brought them to the row. */
#include "domain/report_impl.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

static size_t length_of(const struct str *const *texts, size_t n)
{
	size_t len = 0;

	for (size_t i = 0; i < n; i++)
		len += texts[i]->len;
	return len;
}

/* Has the texts point to copies in the report. */
static void keep_texts(struct report *r, struct str *const *texts, size_t n)
{
	char *at = r->text;

	for (size_t i = 0; i < n; i++) {
		if (!texts[i]->s)
			continue;
		if (texts[i]->len)
			memcpy(at, texts[i]->s, texts[i]->len);
		texts[i]->s = at;
		at += texts[i]->len;
	}
}

#define ORIGIN_TEXTS(from) &(from).url, &(from).user_agent, &(from).address, &(from).metadata.text

struct report *report_of_metric(const struct metric_report *m)
{
	const struct str *const given[] = { ORIGIN_TEXTS(m->from) };
	size_t bytes = sizeof(struct report) + length_of(given, N_ELEMENTS(given));
	struct report *r = mem_alloc(bytes);

	if (!r)
		return NULL;
	r->kind = REPORT_METRIC;
	r->metric = *m;
	r->bytes = bytes;
	keep_texts(r, (struct str *const[]){ ORIGIN_TEXTS(r->metric.from) }, N_ELEMENTS(given));
	return r;
}

struct report *report_of_alert(const struct alert_report *a)
{
	const struct str *const given[] = { ORIGIN_TEXTS(a->from), &a->message };
	size_t bytes = sizeof(struct report) + length_of(given, N_ELEMENTS(given));
	struct report *r = mem_alloc(bytes);

	if (!r)
		return NULL;
	r->kind = REPORT_ALERT;
	r->alert = *a;
	r->bytes = bytes;
	keep_texts(r, (struct str *const[]){ ORIGIN_TEXTS(r->alert.from), &r->alert.message }, N_ELEMENTS(given));
	return r;
}

void reports_drop(struct reports *list)
{
	struct report *r;

	while ((r = TAILQ_FIRST(list))) {
		TAILQ_REMOVE(list, r, next);
		free(r);
	}
}

int reports_write(struct db_conn *db, void *arg)
{
	const struct reports *batch = arg;
	const struct report *report;
	int r = 0;

	TAILQ_FOREACH(report, batch, next)
	{
		r = report->kind == REPORT_METRIC ? monitoring_write_metric(db, report->id, &report->metric)
		                                  : monitoring_write_alert(db, report->id, &report->alert);
		if (r < 0)
			break;
	}
	return r;
}
