#include "CEdit.h"
#include <errno.h>
#include <histedit.h>
#include <locale.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <wchar.h>

struct cedit_editor {
  EditLine *line;
  History *history;
  const char *prompt;
  int wake;
  int given_up;
  mbstate_t state;
  locale_t locale;
  cedit_callbacks callbacks;
};

static cedit_editor *editor_of(EditLine *line) {
  void *data = 0;
  el_get(line, EL_CLIENTDATA, &data);
  return data;
}

static char *prompt_of(EditLine *line) { return (char *)editor_of(line)->prompt; }

static unsigned char complete(EditLine *line, int key) {
  (void)key;
  cedit_editor *editor = editor_of(line);
  return editor->callbacks.complete(editor->callbacks.context, editor) ? CC_REDISPLAY : CC_ERROR;
}

// What woke the editor prints above the line: the line is wiped and drawn again.
static int woken(cedit_editor *editor) {
  char bytes[64];
  while (read(editor->wake, bytes, sizeof bytes) == (ssize_t)sizeof bytes) {}
  if (editor->callbacks.gives_up(editor->callbacks.context)) {
    // The line stays to be seen; the line break that is made up for libedit comes after this.
    fputs("^C", stdout);
    fflush(stdout);
    return 1;
  }
  fputs("\r\033[J", stdout);
  fflush(stdout);
  editor->callbacks.woken(editor->callbacks.context);
  el_set(editor->line, EL_REFRESH);
  return 0;
}

static int next_character(EditLine *line, wchar_t *character) {
  cedit_editor *editor = editor_of(line);
  while (1) {
    struct pollfd sources[2] = {{.fd = STDIN_FILENO, .events = POLLIN}, {.fd = editor->wake, .events = POLLIN}};
    if (poll(sources, 2, -1) < 0) {
      if (errno == EINTR) continue;
      return -1;
    }
    if (sources[1].revents && woken(editor)) {
      editor->given_up = 1;
      *character = L'\n';
      return 1;
    }
    if (!sources[0].revents) continue;
    char byte;
    ssize_t count = read(STDIN_FILENO, &byte, 1);
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) return (int)count;
    size_t used = mbrtowc(character, &byte, 1, &editor->state);
    if (used == (size_t)-2) continue;
    if (used == (size_t)-1) {
      memset(&editor->state, 0, sizeof editor->state);
      continue;
    }
    return 1;
  }
}

// In the C locale, which each program begins with, no byte from 0x80 on is a character. This one is the thread's alone.
static void take_utf8(cedit_editor *editor) {
  editor->locale = newlocale(LC_CTYPE_MASK, "C.UTF-8", (locale_t)0);
  if (editor->locale) uselocale(editor->locale);
}

static void leave_utf8(cedit_editor *editor) {
  if (!editor->locale) return;
  uselocale(LC_GLOBAL_LOCALE);
  freelocale(editor->locale);
}

cedit_editor *cedit_open(const char *program, const char *prompt, int wake_descriptor, cedit_callbacks callbacks) {
  cedit_editor *editor = calloc(1, sizeof *editor);
  if (!editor) return 0;
  take_utf8(editor);
  editor->prompt = prompt;
  editor->wake = wake_descriptor;
  editor->callbacks = callbacks;
  editor->line = el_init(program, stdin, stdout, stderr);
  editor->history = history_init();
  if (!editor->line || !editor->history) {
    if (editor->history) history_end(editor->history);
    if (editor->line) el_end(editor->line);
    leave_utf8(editor);
    free(editor);
    return 0;
  }
  el_set(editor->line, EL_CLIENTDATA, editor);
  el_set(editor->line, EL_PROMPT, prompt_of);
  el_set(editor->line, EL_EDITOR, "emacs");
  el_set(editor->line, EL_HIST, history, editor->history);
  el_set(editor->line, EL_GETCFN, next_character);
  el_set(editor->line, EL_ADDFN, "coracle-complete", "Complete the word", complete);
  el_set(editor->line, EL_BIND, "^I", "coracle-complete", NULL);
  el_set(editor->line, EL_BIND, "^R", "em-inc-search-prev", NULL);
  // The person's own key bindings come last.
  el_source(editor->line, NULL);
  return editor;
}

void cedit_close(cedit_editor *editor) {
  el_end(editor->line);
  history_end(editor->history);
  leave_utf8(editor);
  free(editor);
}

const char *cedit_read(cedit_editor *editor, int *count) {
  editor->given_up = 0;
  const char *line = el_gets(editor->line, count);
  if (!editor->given_up) return line;
  *count = 0;
  return "";
}

const char *cedit_line(cedit_editor *editor, size_t *count) {
  const LineInfo *info = el_line(editor->line);
  *count = (size_t)(info->cursor - info->buffer);
  return info->buffer;
}

void cedit_insert(cedit_editor *editor, const char *text) { el_insertstr(editor->line, text); }

void cedit_history_begin(cedit_editor *editor, int size) {
  HistEvent event;
  history(editor->history, &event, H_SETSIZE, size);
  history(editor->history, &event, H_SETUNIQUE, 1);
}

void cedit_history_add(cedit_editor *editor, const char *line) {
  HistEvent event;
  history(editor->history, &event, H_ENTER, line);
}
