/*
 * The mails that the product writes: to who is new, to whom something is to be told, to the backers of a project that has succeeded.
 * They are asked for as tasks of their own, in one transaction with the result of the one that asks. What people have written is
 * escaped where it stands in HTML. Source: tasks.md 1, 3.2, 8.
 */
#include "base/json_out.h"
#include "base/log.h"
#include "base/random.h"
#include "db/outbox.h"
#include "domain/account.h"
#include "domain/backer.h"
#include "domain/sanitize.h"
#include "tasks/jobs_impl.h"

#define LOGGER      "tasks.mail"
#define BATCH_MAILS 50

/* ---- one mail ---- */

struct asking {
	struct task_run *run;
	struct str args; /* of send_email_task */
};

static int ask(struct db_conn *db, void *arg)
{
	const struct asking *a = arg;
	char id[UUID_TEXT_SIZE];
	int r = outbox_put(
	        db, &(struct outbox_task){ .name = "core.tasks.send_email_task", .args = { a->args }, .ret_id = id, .durable = true });

	if (r == 0)
		buf_addf(&a->run->result, "{\"success\": true, \"task_id\": \"%s\"}", id);
	return r;
}

static enum task_outcome ask_for(struct task_run *run, const struct buf *args)
{
	struct asking asking = { run, buf_view(args) };
	int r = args->failed ? ERR_NOMEM : task_commit(run, ask, &asking, NULL);

	return r < 0 ? task_database_error(run, r) : TASK_SUCCEEDED;
}

/* ---- core.tasks.send_welcome_email ---- */

static void add_welcome(struct buf *args, struct str address, struct str name)
{
	CLEANUP(buf_finish) struct buf html = BUF_EMPTY;

	buf_add_text(&html, "<h1>Bienvenue ");
	sanitize_add(&html, name, SANITIZE_LINE);
	buf_add_text(&html, " !</h1><p>Votre compte EGOEJO est ouvert. Merci de rejoindre la communauté.</p>");
	buf_add_char(args, '[');
	json_add_str(args, address);
	buf_add_text(args, ", \"Bienvenue sur EGOEJO\", ");
	json_add_str(args, buf_view(&html));
	buf_add_char(args, ']');
	args->failed |= html.failed;
}

enum task_outcome send_welcome_email(struct task_run *run)
{
	CLEANUP(buf_finish) struct buf args = BUF_EMPTY;
	int64_t id = task_int(run, "user_id");
	struct account account;
	int r = id == NULL_INT ? ERR_NOT_FOUND : account_find(run->db, run->arena, id, (struct str)STR(""), &account);

	if (r == ERR_NOT_FOUND)
		return task_fail(run, "ValueError", "no such user");
	if (r < 0)
		return task_database_error(run, r);
	if (!account.email.len)
		return task_answer_error(run, "the user has no address");
	add_welcome(&args, account.email, account.username.len ? account.username : account.email);
	return ask_for(run, &args);
}

/* ---- core.tasks.send_notification_email ---- */

enum task_outcome send_notification_email(struct task_run *run)
{
	CLEANUP(buf_finish) struct buf args = BUF_EMPTY, html = BUF_EMPTY;
	struct str message = task_text(run, "message");

	if (!message.s || !task_text(run, "to_email").s || !task_text(run, "subject").s)
		return task_fail(run, "TypeError", "to_email, subject and message must be texts");
	buf_add_text(&html, "<p>");
	sanitize_add(&html, message, SANITIZE_TEXT);
	buf_add_text(&html, "</p>");
	buf_add_char(&args, '[');
	json_add_str(&args, task_text(run, "to_email"));
	buf_add_text(&args, ", ");
	json_add_str(&args, task_text(run, "subject"));
	buf_add_text(&args, ", ");
	json_add_str(&args, buf_view(&html));
	buf_add_text(&args, ", ");
	json_add_str(&args, message);
	buf_add_char(&args, ']');
	args.failed |= html.failed;
	return ask_for(run, &args);
}

/* ---- core.tasks.notify_project_success_task ---- */

struct success {
	struct task_run *run;
	struct backers backers;
	int64_t mails;
};

static void add_euros(struct buf *b, struct decimal amount)
{
	buf_addf(b, "%lld,%02lld €", (long long)(amount.cents / 100), (long long)(amount.cents % 100));
}

/* A title is a text of any kind, and a subject one line. */
static void add_line(struct buf *b, struct str text)
{
	for (size_t i = 0; i < text.len; i++)
		buf_add_char(b, (unsigned char)text.s[i] < ' ' || text.s[i] == 0x7f ? ' ' : text.s[i]);
}

static void add_subject(struct buf *args, struct str title)
{
	CLEANUP(buf_finish) struct buf subject = BUF_EMPTY;

	buf_add_text(&subject, "Projet réussi : ");
	add_line(&subject, title);
	json_add_str(args, buf_view(&subject));
	args->failed |= subject.failed;
}

static void add_html(struct buf *args, struct str title, const struct backer *backer)
{
	CLEANUP(buf_finish) struct buf html = BUF_EMPTY;

	buf_add_text(&html, "<p>Bonjour ");
	sanitize_add(&html, backer->username, SANITIZE_LINE);
	buf_add_text(&html, ",</p><p>Le projet « ");
	sanitize_add(&html, title, SANITIZE_LINE);
	buf_add_text(&html, " » a réussi. Votre contribution de ");
	add_euros(&html, backer->amount);
	buf_add_text(&html, " lui a été versée.</p><p>Merci pour votre soutien !</p>");
	json_add_str(args, buf_view(&html));
	args->failed |= html.failed;
}

static void add_text(struct buf *args, struct str title, const struct backer *backer)
{
	CLEANUP(buf_finish) struct buf text = BUF_EMPTY;

	buf_addf(&text, "Bonjour %.*s,\n\nLe projet « %.*s » a réussi. Votre contribution de ", STR_ARG(backer->username), STR_ARG(title));
	add_euros(&text, backer->amount);
	buf_add_text(&text, " lui a été versée.\n\nMerci pour votre soutien !\n");
	json_add_str(args, buf_view(&text));
	args->failed |= text.failed;
}

static void add_mail(struct buf *args, struct str title, const struct backer *backer)
{
	buf_add_text(args, "{\"to_email\": ");
	json_add_str(args, backer->email);
	buf_add_text(args, ", \"subject\": ");
	add_subject(args, title);
	buf_add_text(args, ", \"html_content\": ");
	add_html(args, title, backer);
	buf_add_text(args, ", \"text_content\": ");
	add_text(args, title, backer);
	buf_add_char(args, '}');
}

static int ask_for_batch(struct db_conn *db, struct buf *args)
{
	int r;

	buf_add_text(args, "]]");
	r = args->failed
	            ? ERR_NOMEM
	            : outbox_put(db, &(struct outbox_task){
	                                     .name = "core.tasks.send_batch_email_task", .args = { buf_view(args) }, .durable = true });
	buf_clear(args);
	return r;
}

/* One task for each BATCH_MAILS of those who have an address. */
static int ask_for_batches(struct db_conn *db, struct success *s)
{
	CLEANUP(buf_finish) struct buf args = BUF_EMPTY;
	const struct backer *list = s->backers.list.items;
	int r = 0;

	for (size_t i = 0; i < s->backers.list.n && r == 0; i++) {
		if (!list[i].email.len)
			continue;
		buf_add_text(&args, args.len ? ", " : "[[");
		add_mail(&args, s->backers.title, &list[i]);
		if (++s->mails % BATCH_MAILS == 0)
			r = ask_for_batch(db, &args);
	}
	return r == 0 && args.len ? ask_for_batch(db, &args) : r;
}

/* The contracts are read in the transaction that asks for the mails. */
static int notify(struct db_conn *db, void *arg)
{
	struct success *s = arg;
	int r;

	s->mails = 0;
	r = backers_read(db, s->run->arena, task_int(s->run, "project_id"), &s->backers);
	if (r == 0)
		r = ask_for_batches(db, s);
	if (r == 0)
		buf_addf(&s->run->result, "{\"success\": true, \"notified_count\": %lld, \"total_escrows\": %lld}", (long long)s->mails,
		         (long long)s->backers.contracts);
	return r;
}

enum task_outcome notify_project_success(struct task_run *run)
{
	struct success s = { .run = run };
	int64_t id = task_int(run, "project_id");
	int r = id == NULL_INT ? ERR_NOT_FOUND : task_commit(run, notify, &s, NULL);

	if (r == ERR_NOT_FOUND)
		return task_fail(run, "ValueError", "no such project");
	if (r < 0)
		return task_database_error(run, r);
	if (r == 0 && s.backers.all > s.backers.contracts)
		log_write(LOG_WARNING, LOGGER, "mail.backers_left_out",
		          LOG_FIELDS(LOG_INT("project", id), LOG_INT("escrows", s.backers.all), LOG_INT("read", s.backers.contracts)),
		          "A project has more released escrows than are told of its success");
	return TASK_SUCCEEDED;
}
