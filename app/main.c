/* egoejo: finds the command in the table, reads its options, runs it. */
#include <getopt.h>
#include <stdio.h>
#include <string.h>
#include <sysexits.h>

#include "app/command.h"

struct command {
	const char *name;
	int (*run)(const struct arguments *);
	unsigned options; /* what it takes besides --help */
	const char *help;
	const char *usage;
};

static const struct command commands[] = {
#define COMMAND(name, options, help, usage) { #name, command_##name, options, help, usage },
#include "app/commands.def"
#undef COMMAND
};

enum { HELP = 'h', VERSION = 'V' };

static const struct option program_options[] = {
	{ "help", no_argument, NULL, HELP },
	{ "version", no_argument, NULL, VERSION },
	{ 0 },
};

/* What stands for each option in getopt's answer is its bit: none of them is a letter. */
static const struct option command_options[] = {
	{ "help", no_argument, NULL, HELP },
	{ "markdown", no_argument, NULL, OPTION_MARKDOWN },
	{ "yaml", no_argument, NULL, OPTION_YAML },
	{ "username", required_argument, NULL, OPTION_USERNAME },
	{ "email", required_argument, NULL, OPTION_EMAIL },
	{ "concurrency", required_argument, NULL, OPTION_CONCURRENCY },
	{ "queues", required_argument, NULL, OPTION_QUEUES },
	{ "name", required_argument, NULL, OPTION_NAME },
	{ "beat", no_argument, NULL, OPTION_BEAT },
	{ "events", no_argument, NULL, OPTION_EVENTS },
	{ "month", required_argument, NULL, OPTION_MONTH },
	{ "output-dir", required_argument, NULL, OPTION_OUTPUT_DIR },
	{ "keep", required_argument, NULL, OPTION_KEEP },
	{ 0 },
};

#define COMMAND_LETTERS "+hc:Q:n:BE"

/* Celery's letters for what also has a name; no bit is a letter. */
static int bit_of(int option)
{
	static const struct {
		int letter, bit;
	} letters[] = {
		{ 'c', OPTION_CONCURRENCY }, { 'Q', OPTION_QUEUES }, { 'n', OPTION_NAME }, { 'B', OPTION_BEAT }, { 'E', OPTION_EVENTS }
	};

	for (size_t i = 0; i < N_ELEMENTS(letters); i++)
		if (option == letters[i].letter)
			return letters[i].bit;
	return option;
}

#define COMMAND_NAME_SIZE 24

/* The name as it is typed: of send_task, send-task. */
static const char *show_name(const struct command *command, char ret_shown[COMMAND_NAME_SIZE])
{
	snprintf(ret_shown, COMMAND_NAME_SIZE, "%s", command->name);
	for (char *c = ret_shown; *c; c++)
		*c = *c == '_' ? '-' : *c;
	return ret_shown;
}

static void add_usage(struct buf *text)
{
	char shown[COMMAND_NAME_SIZE];

	buf_add_text(text, "Usage: egoejo COMMAND [--help]\n\nThe EGOEJO backend. Settings come from the environment: egoejo settings "
	                   "--markdown.\n\n");
	for (size_t i = 0; i < N_ELEMENTS(commands); i++)
		buf_addf(text, "  %-15s %s\n", show_name(&commands[i], shown), commands[i].help);
	buf_add_text(text, "\nExit status: 0 done; 1 failed; 64 wrong command line; 78 wrong setting.\n");
}

static void add_command_usage(const struct command *command, struct buf *text)
{
	static const struct {
		unsigned bit;
		const char *text;
	} parts[] = {
		{ OPTION_MARKDOWN, " [--markdown]" },
		{ OPTION_YAML, " [--yaml]" },
		{ OPTION_USERNAME, " [--username NAME]" },
		{ OPTION_EMAIL, " [--email ADDRESS]" },
		{ OPERAND_USERNAME, " USERNAME" },
		{ OPERAND_METHOD, " METHOD" },
		{ OPERAND_ID, " [ID]" },
		{ OPTION_CONCURRENCY, " [-c N]" },
		{ OPTION_QUEUES, " [-Q QUEUES]" },
		{ OPTION_NAME, " [-n NAME]" },
		{ OPTION_BEAT, " [-B]" },
		{ OPTION_EVENTS, " [-E]" },
		{ OPTION_MONTH, " --month YYYY-MM" },
		{ OPTION_OUTPUT_DIR, " [--output-dir FOLDER]" },
		{ OPTION_KEEP, " [--keep N]" },
	};
	char shown[COMMAND_NAME_SIZE];

	buf_addf(text, "Usage: egoejo %s", show_name(command, shown));
	for (size_t i = 0; i < N_ELEMENTS(parts); i++)
		buf_add_text(text, command->options & parts[i].bit ? parts[i].text : "");
	buf_addf(text, "\n\n%s\n%s", command->help, command->usage);
}

/* Help that was asked for. */
static int print_help(const struct command *command)
{
	CLEANUP(buf_finish) struct buf text = BUF_EMPTY;

	if (command)
		add_command_usage(command, &text);
	else
		add_usage(&text);
	return command_print(&text);
}

/* A command line that makes no sense: why (unless getopt has said so), and how it should look. */
static int refuse(const struct command *command, const char *why, const char *what)
{
	CLEANUP(buf_finish) struct buf text = BUF_EMPTY;

	if (why)
		buf_addf(&text, "egoejo: %s: %s\n", why, what);
	if (command)
		add_command_usage(command, &text);
	else
		add_usage(&text);
	fputs(text.failed ? "" : text.data, stderr);
	return EX_USAGE;
}

static const struct command *find_command(const char *name)
{
	char shown[COMMAND_NAME_SIZE];

	for (size_t i = 0; i < N_ELEMENTS(commands); i++) {
		if (strcmp(show_name(&commands[i], shown), name) == 0)
			return &commands[i];
	}
	return NULL;
}

static int refuse_option(const struct command *command, int bit)
{
	char name[40] = "";

	for (const struct option *o = command_options; o->name; o++) {
		if (o->val == bit)
			snprintf(name, sizeof(name), "--%s", o->name);
	}
	return refuse(command, "not an option of this command", name);
}

/* What is left after the options: the operand, if the command has one. 0, or an exit status. */
static int read_operand(const struct command *command, int argc, char **argv, struct arguments *arguments)
{
	if (command->options & OPERAND_USERNAME) {
		if (optind >= argc)
			return refuse(command, "argument missing", "USERNAME");
		arguments->username = argv[optind++];
	}
	if (command->options & OPERAND_METHOD) {
		if (optind >= argc)
			return refuse(command, "argument missing", "METHOD");
		arguments->method = argv[optind++];
	}
	if ((command->options & OPERAND_ID) && optind < argc)
		arguments->id = argv[optind++];
	return optind < argc ? refuse(command, "unexpected argument", argv[optind]) : EXIT_SUCCESS;
}

/* An option of this command, its value in optarg. */
static void take_option(struct arguments *arguments, int option)
{
	const struct {
		int option;
		const char **value;
	} values[] = { { OPTION_USERNAME, &arguments->username },
		       { OPTION_EMAIL, &arguments->email },
		       { OPTION_CONCURRENCY, &arguments->concurrency },
		       { OPTION_QUEUES, &arguments->queues },
		       { OPTION_NAME, &arguments->name },
		       { OPTION_MONTH, &arguments->month },
		       { OPTION_OUTPUT_DIR, &arguments->output_dir },
		       { OPTION_KEEP, &arguments->keep } };

	arguments->given |= (unsigned)option;
	for (size_t i = 0; i < N_ELEMENTS(values); i++)
		if (option == values[i].option)
			*values[i].value = optarg;
}

static int run_command(const struct command *command, int argc, char **argv)
{
	struct arguments arguments = { 0 };
	int option, status;

	optind = 0; /* GNU: start again on another vector */
	while ((option = bit_of(getopt_long(argc, argv, COMMAND_LETTERS, command_options, NULL))) != -1) {
		if (option == HELP)
			return print_help(command);
		if (option == '?')
			return refuse(command, NULL, NULL);
		if (!(command->options & (unsigned)option))
			return refuse_option(command, option);
		take_option(&arguments, option);
	}
	status = read_operand(command, argc, argv, &arguments);
	return status == EXIT_SUCCESS ? command->run(&arguments) : status;
}

int main(int argc, char **argv)
{
	const struct command *command;
	int option;

	while ((option = getopt_long(argc, argv, "+hV", program_options, NULL)) != -1) {
		if (option == HELP)
			return print_help(NULL);
		if (option == VERSION)
			return command_version(&(struct arguments){ 0 });
		return refuse(NULL, NULL, NULL);
	}
	if (optind >= argc)
		return refuse(NULL, "command missing", "one of these is needed");
	command = find_command(argv[optind]);
	if (!command)
		return refuse(NULL, "unknown command", argv[optind]);
	return run_command(command, argc - optind, argv + optind);
}
