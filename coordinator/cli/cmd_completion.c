/* cmd_completion.c - a bash-completion script made of the command table; config show. */
#include <stdio.h>
#include <string.h>

#include "coordinator/cli/cli.h"
#include "coordinator/cli/cmd.h"
#include "coordinator/cli/command.h"

/* The fixed part: finds the verb among the words, then offers what the arrays say. */
static const char completion_body[] =
    "_skein_ids() {\n"
    "    skein \"$1\" list -o ndjson --timeout 1s 2>/dev/null |\n"
    "        sed -n 's/^{\"\\(id\\|name\\|tenant\\)\":\"\\([^\"]*\\)\".*/\\2/p'\n"
    "}\n"
    "\n"
    "_skein() {\n"
    "    local cur prev verb word words=()\n"
    "    cur=${COMP_WORDS[COMP_CWORD]}\n"
    "    prev=${COMP_WORDS[COMP_CWORD-1]}\n"
    "    COMPREPLY=()\n"
    "    for word in \"${COMP_WORDS[@]:1:COMP_CWORD-1}\"; do\n"
    "        [[ $word == -* ]] || words+=(\"$word\")\n"
    "    done\n"
    "    verb=${words[0]}\n"
    "    [[ -n ${_skein_options[\"${words[0]} ${words[1]}\"]+x} ]] && verb=\"${words[0]} "
    "${words[1]}\"\n"
    "    if [[ -n ${_skein_choices[$prev]} ]]; then\n"
    "        COMPREPLY=($(compgen -W \"${_skein_choices[$prev]}\" -- \"$cur\"))\n"
    "    elif [[ $cur == -* ]]; then\n"
    "        COMPREPLY=($(compgen -W \"${_skein_options[$verb]} $_skein_global\" -- \"$cur\"))\n"
    "    elif [[ $prev == --config || $prev == --tls-* ]]; then\n"
    "        COMPREPLY=($(compgen -f -- \"$cur\"))\n"
    "    elif [[ ${#words[@]} -eq 0 ]]; then\n"
    "        COMPREPLY=($(compgen -W \"$_skein_first\" -- \"$cur\"))\n"
    "    elif [[ -n ${_skein_verbs[${words[0]}]} && ${#words[@]} -eq 1 ]]; then\n"
    "        COMPREPLY=($(compgen -W \"${_skein_verbs[${words[0]}]}\" -- \"$cur\"))\n"
    "    else\n"
    "        case $verb in\n"
    "            lint | 'set publish') COMPREPLY=($(compgen -f -- \"$cur\")) ;;\n"
    "            'set import')\n"
    "                if [[ ${#words[@]} -eq 2 ]]; then\n"
    "                    COMPREPLY=($(compgen -W 'flyway dbmate golang-migrate goose sqitch diesel "
    "prisma' -- \"$cur\"))\n"
    "                else\n"
    "                    COMPREPLY=($(compgen -d -- \"$cur\"))\n"
    "                fi ;;\n"
    "            plan | drift | 'rollout start' | 'set show')\n"
    "                COMPREPLY=($(compgen -W \"$(_skein_ids set)\" -- \"$cur\")) ;;\n"
    "            rollout*) COMPREPLY=($(compgen -W \"$(_skein_ids rollout)\" -- \"$cur\")) ;;\n"
    "            tenant*) COMPREPLY=($(compgen -W \"$(_skein_ids tenant)\" -- \"$cur\")) ;;\n"
    "            shard*) COMPREPLY=($(compgen -W \"$(_skein_ids shard)\" -- \"$cur\")) ;;\n"
    "        esac\n"
    "    fi\n"
    "}\n"
    "complete -o filenames -o bashdefault -F _skein skein\n";

/* "--to --tenants" of a verb's own rows. */
static void cmd_completion_options(const struct option_spec *specs, size_t count, struct buf *text)
{
    for (size_t i = 0; i < count; i++) {
        buf_printf(text, "%s--%s", i > 0 ? " " : "", specs[i].name);
    }
}

static void cmd_completion_choice(const struct option_spec *spec, struct buf *text)
{
    if (spec->choices == NULL) {
        return;
    }
    buf_printf(text, "    [--%s]='", spec->name);
    for (const char *c = spec->choices; *c != '\0'; c++) {
        buf_append(text, *c == '|' ? " " : c, 1);
    }
    buf_puts(text, "'\n");
    if (spec->letter != 0) {
        buf_printf(text, "    [-%c]='table json ndjson'\n", spec->letter);
    }
}

/* "rollout" -> "start list status ..."; each first word once. */
static void cmd_completion_verbs(struct buf *text)
{
    CLEANUP(buf_release) struct buf first = { .size_max = 4096 };
    CLEANUP(buf_release) struct buf rows = { .size_max = 16384 };
    char last[64] = "";

    for (size_t i = 0; i < command_count(); i++) {
        const struct command *command = command_at(i);
        const size_t size = strcspn(command->path, " ");
        if (command->hidden) {
            continue;
        }
        if (strlen(last) != size || strncmp(last, command->path, size) != 0) {
            buf_printf(&rows, "%s    [%.*s]='", last[0] != '\0' ? "'\n" : "", (int)size,
                       command->path);
            buf_printf(&first, "%s%.*s", first.size > 0 ? " " : "", (int)size, command->path);
            snprintf(last, sizeof(last), "%.*s", (int)size, command->path);
        } else {
            buf_puts(&rows, " ");
        }
        buf_puts(&rows, command->path[size] == ' ' ? command->path + size + 1 : "");
    }
    buf_printf(text, "_skein_first='%s'\ndeclare -gA _skein_verbs=(\n%s'\n)\n", buf_text(&first),
               buf_text(&rows));
}

int cmd_completion_bash(struct cli *cli)
{
    CLEANUP(buf_release) struct buf text = { .size_max = 1 << 20 };
    CLEANUP(buf_release) struct buf choices = { .size_max = 1 << 16 };
    struct option_spec specs[CLI_OPTIONS_MAX];

    (void)cli;
    buf_puts(&text, "# bash completion for skein; made by 'skein completion bash'\n");
    cmd_completion_verbs(&text);
    buf_puts(&text, "_skein_global='");
    size_t global_count = cli_options_collect("", specs);
    cmd_completion_options(specs, global_count, &text);
    for (size_t i = 0; i < global_count; i++) {
        cmd_completion_choice(&specs[i], &choices);
    }
    buf_puts(&text, "'\ndeclare -gA _skein_options=(\n");
    for (size_t i = 0; i < command_count(); i++) {
        const struct command *command = command_at(i);
        if (command->hidden) {
            continue;
        }
        size_t own = cli_options_own_count(command->options);
        (void)cli_options_collect(command->options, specs);
        buf_printf(&text, "    ['%s']='", command->path);
        cmd_completion_options(specs, own, &text);
        buf_puts(&text, "'\n");
        for (size_t j = 0; j < own; j++) {
            cmd_completion_choice(&specs[j], &choices);
        }
    }
    buf_printf(&text, ")\ndeclare -gA _skein_choices=(\n%s)\n\n%s", buf_text(&choices),
               completion_body);
    output_text(&text);
    return EXIT_CODE_DONE;
}

int cmd_config_show(struct cli *cli)
{
    CLEANUP(buf_release) struct buf text = { .size_max = 1 << 16 };
    struct option_spec specs[CLI_OPTIONS_MAX];

    options_show(specs, cli_options_collect("", specs), &cli->options, &text);
    output_text(&text);
    return EXIT_CODE_DONE;
}
