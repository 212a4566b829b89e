#pragma once
// libedit, whose interface is variadic. One editor a process; all calls from one thread, callbacks on that thread.
// Text is UTF-8 whatever the environment's locale is.
#include <stddef.h>

typedef struct cedit_editor cedit_editor;

typedef struct {
  void *_Nullable context;
  /// The Tab key: may change the line with cedit_insert; answers whether there was anything to complete.
  int (*_Nonnull complete)(void *_Nullable context, cedit_editor *_Nonnull editor);
  /// A byte came on the wake descriptor while the editor waited for a key, and was taken. Answers 1 to give up the line.
  int (*_Nonnull gives_up)(void *_Nullable context);
  /// If not: the terminal's cursor is at the begin of an empty line, to print on; the line being edited is drawn again
  /// afterwards.
  void (*_Nonnull woken)(void *_Nullable context);
} cedit_callbacks;

/// An editor on the standard streams; null where the terminal cannot be used. `prompt` must outlive it.
cedit_editor *_Nullable cedit_open(
  const char *_Nonnull program, const char *_Nonnull prompt, int wake_descriptor, cedit_callbacks callbacks);
/// Gives the terminal back.
void cedit_close(cedit_editor *_Nonnull editor);

/// Reads one line. Answers its bytes (valid until the next call) and how many, with the line break; null at the end of the
/// input. A line that was given up is empty.
const char *_Nullable cedit_read(cedit_editor *_Nonnull editor, int *_Nonnull count);
/// The line up to the cursor, in bytes.
const char *_Nonnull cedit_line(cedit_editor *_Nonnull editor, size_t *_Nonnull count);
/// Inserts text at the cursor.
void cedit_insert(cedit_editor *_Nonnull editor, const char *_Nonnull text);

/// Keeps at most `size` lines, each once in a row.
void cedit_history_begin(cedit_editor *_Nonnull editor, int size);
void cedit_history_add(cedit_editor *_Nonnull editor, const char *_Nonnull line);
