/* egoejo: finds the command in the table, reads its options, runs it. */
#include <getopt.h>
#include <stdio.h>
#include <string.h>
#include <sysexits.h>

#include "app/command.h"

struct command {
	const char *name;
	int (*run)(unsigned given);
	unsigned options; /* that it takes besides --help */
	const char *help;
	const char *usage;
};

static const struct command commands[] = {
#define COMMAND(name, options, help, usage) { #name, command_##name, options, help, usage },
#include "app/commands.def"
#undef COMMAND
};

enum { HELP = 'h', VERSION = 'V', MARKDOWN = 'm', YAML = 'y' };

static const struct option program_options[] = {
	{ "help", no_argument, NULL, HELP },
	{ "version", no_argument, NULL, VERSION },
	{ 0 },
};

static const struct option command_options[] = {
	{ "help", no_argument, NULL, HELP },
	{ "markdown", no_argument, NULL, MARKDOWN },
	{ "yaml", no_argument, NULL, YAML },
	{ 0 },
};

static void add_usage(struct buf *text)
{
	buf_add_text(text, "Usage: egoejo COMMAND [--help]\n\nThe EGOEJO backend. Settings come from the environment: egoejo settings "
	                   "--markdown.\n\n");
	for (size_t i = 0; i < N_ELEMENTS(commands); i++)
		buf_addf(text, "  %-12s %s\n", commands[i].name, commands[i].help);
	buf_add_text(text, "\nExit status: 0 done; 1 failed; 64 wrong command line; 78 wrong setting.\n");
}

static void add_command_usage(const struct command *command, struct buf *text)
{
	buf_addf(text, "Usage: egoejo %s%s%s\n\n%s\n%s", command->name, command->options & OPTION_MARKDOWN ? " [--markdown]" : "",
	         command->options & OPTION_YAML ? " [--yaml]" : "", command->help, command->usage);
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
	for (size_t i = 0; i < N_ELEMENTS(commands); i++) {
		if (strcmp(commands[i].name, name) == 0)
			return &commands[i];
	}
	return NULL;
}

static int run_command(const struct command *command, int argc, char **argv)
{
	unsigned given = 0, bit;
	int option;

	optind = 0; /* GNU: start again on another vector */
	while ((option = getopt_long(argc, argv, "+h", command_options, NULL)) != -1) {
		if (option == HELP)
			return print_help(command);
		if (option != MARKDOWN && option != YAML)
			return refuse(command, NULL, NULL);
		bit = option == YAML ? OPTION_YAML : OPTION_MARKDOWN;
		if (!(command->options & bit))
			return refuse(command, "not an option of this command", option == YAML ? "--yaml" : "--markdown");
		given |= bit;
	}
	if (optind < argc)
		return refuse(command, "unexpected argument", argv[optind]);
	return command->run(given);
}

int main(int argc, char **argv)
{
	const struct command *command;
	int option;

	while ((option = getopt_long(argc, argv, "+hV", program_options, NULL)) != -1) {
		if (option == HELP)
			return print_help(NULL);
		if (option == VERSION)
			return command_version(0);
		return refuse(NULL, NULL, NULL);
	}
	if (optind >= argc)
		return refuse(NULL, "command missing", "one of these is needed");
	command = find_command(argv[optind]);
	if (!command)
		return refuse(NULL, "unknown command", argv[optind]);
	return run_command(command, argc - optind, argv + optind);
}
