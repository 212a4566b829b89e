;;; coracle-tests.el --- Tests of the Emacs client  -*- lexical-binding: t; -*-

;;; Commentary:

;; `emacs -Q --batch -L clients/emacs -l clients/emacs/tests/coracle-tests.el -f ert-run-tests-batch-and-exit', with
;; `coracle' in PATH, and CORACLE_STORE naming a store with the image hello:1.

;;; Code:

(require 'coracle)
(require 'ert)

(defconst coracle-patience 300)
(setq coracle--patience coracle-patience)

(defmacro coracle-wait (&rest condition)
  "Wait until CONDITION holds, and answer it."
  `(let (found)
     (with-timeout (coracle-patience (ert-fail (list "did not come" ',condition)))
       (while (not (setq found (progn ,@condition)))
         (accept-process-output nil 0.01)))
     found))

(defmacro coracle-hearing (&rest body)
  "Run BODY with `told' bound to a function that answers what was told since."
  `(let* ((words nil)
          (told (lambda (pattern) (seq-some (lambda (text) (string-match-p pattern text)) words))))
     (cl-letf (((symbol-function 'message)
                (lambda (&optional text &rest values)
                  (when text (push (apply #'format text values) words)))))
       ,@body)))

(defun coracle-test-start (name &optional script)
  "A container NAME that runs SCRIPT, or until it is removed."
  (coracle-ask 'container/run `(:image "hello:1" :name ,name :detach t :initProcess t
                                       :command ["sh" "-c" ,(or script "exec sleep 1000")])))

(defun coracle-test-remove (name)
  "Remove the container NAME."
  (coracle-ask 'container/remove `(:container ,name :force t)))

(defun coracle-test-has (buffer pattern)
  "Whether BUFFER has a line that matches PATTERN; point is put there."
  (with-current-buffer buffer
    (goto-char (point-min))
    (when (re-search-forward pattern nil t)
      (beginning-of-line)
      t)))

(defun coracle-test-kill ()
  "Let the service die."
  (let ((connection coracle--connection))
    (signal-process (jsonrpc--process connection) 'KILL)
    ;; By then there may be the next one.
    (coracle-wait (not (eq connection coracle--connection)))))

(defun coracle-test-services ()
  "The services that this editor has started and that have not ended."
  (seq-filter (lambda (process) (and (string-match-p "\\`coracle\\(<[0-9]+>\\)?\\'" (process-name process))
                                     (process-live-p process)))
              (process-list)))

(ert-deftest coracle-test-errors ()
  "Errors have a sentence, their causes and a hint."
  (let ((failure (should-error (coracle-ask 'container/start '(:container "nobody")) :type 'user-error)))
    (should (string-match-p "nobody" (cadr failure))))
  (let (answer)
    (coracle-request 'container/start '(:container "nobody") (lambda (failure _) (setq answer failure)))
    (coracle-wait answer)
    (should (equal (plist-get (plist-get answer :data) :kind) "notFound"))))

(ert-deftest coracle-test-cancel ()
  "A cancelled request calls back when its work has stopped."
  (coracle-test-start "sleeper")
  (let* (answer
         (cancel (coracle-request 'container/wait '(:container "sleeper") (lambda (failure _) (setq answer failure)))))
    (coracle-ask 'system/ping)
    (should-not answer)
    (funcall cancel)
    (coracle-wait answer)
    (should (= (plist-get answer :code) -32800)))
  (coracle-test-remove "sleeper"))

(ert-deftest coracle-test-run ()
  "All output is shown, however much and of whatever letters, and the exit code."
  (let ((buffer (coracle-run "hello:1" '("sh" "-c" "seq 100000; printf '\\303'; printf '\\244\\n'; exit 7"))))
    (coracle-wait (coracle-test-has buffer "^\\[exit code 7\\]"))
    (with-current-buffer buffer
      (should (= (count-lines (point-min) (point-max)) 100002))
      (should (coracle-test-has buffer "^ä$")))
    (kill-buffer buffer)
    (should (equal (append (plist-get (coracle-ask 'container/list '(:all t)) :containers) nil) nil))))

(ert-deftest coracle-test-last-letter ()
  "Output is shown up to its last letter, while it goes on and at its end."
  (coracle-test-start "prompter" "printf 'one \\303\\244'; while ! test -e /go; do sleep 0.01; done
printf ' two \\342\\202\\254'; while ! test -e /on; do sleep 0.01; done; printf ' three \\360\\237\\230\\200 \\342\\202'")
  (let ((buffer (coracle-logs "prompter")))
    (coracle-wait (coracle-test-has buffer "^one ä\\'"))
    (coracle-ask 'container/exec '(:container "prompter" :command ["touch" "/go"]))
    (coracle-wait (coracle-test-has buffer "^one ä two €\\'"))
    (coracle-ask 'container/exec '(:container "prompter" :command ["touch" "/on"]))
    ;; Bytes that are no letter are shown as they are.
    (coracle-wait (coracle-test-has buffer "^one ä two € three 😀 ..\\'"))
    (kill-buffer buffer))
  (coracle-test-remove "prompter"))

(ert-deftest coracle-test-refused-streams ()
  "Streams of a request that is refused are forgotten."
  (coracle-wait (= (hash-table-count coracle--streams) 0))
  (let* (answer (buffer (coracle-run "missing:1" nil (lambda (failure _) (setq answer failure)))))
    (should (= (hash-table-count coracle--streams) 2))
    (coracle-wait answer)
    (should (= (hash-table-count coracle--streams) 0))
    (kill-buffer buffer)))

(ert-deftest coracle-test-leave ()
  "Killing the buffer of a run stops its container."
  (let* (answer
         (buffer (coracle-run "hello:1" '("sh" "-c" "echo up; exec sleep 1000")
                              (lambda (failure _) (setq answer failure)))))
    (coracle-wait (coracle-test-has buffer "^up$"))
    (kill-buffer buffer)
    (coracle-wait answer)
    (should (equal (append (plist-get (coracle-ask 'container/list '(:all t)) :containers) nil) nil))))

(ert-deftest coracle-test-run-goes ()
  "A container that the editor runs goes with it, however that ends."
  (coracle-hearing
   (coracle-events-mode 1)
   (coracle-wait (coracle-subscription-name coracle--events-subscription))
   (dolist (end '((kill-emacs) (signal-process (emacs-pid) 'KILL)))
     (setq words nil)
     (let ((seen (make-temp-file "coracle")))
       (call-process "timeout" nil nil nil "-k" "10" "100" (expand-file-name invocation-name invocation-directory)
                     "-Q" "--batch" "-L" (file-name-directory coracle-test-readme) "-l" "coracle" "--eval"
                     (format "%S" `(let ((buffer (coracle-run "hello:1" '("sh" "-c" "echo up; exec sleep 1000"))))
                                     (while (not (with-current-buffer buffer (string-prefix-p "up\n" (buffer-string))))
                                       (accept-process-output nil 0.01))
                                     (write-region "up" nil ,seen)
                                     ,end)))
       (should (equal (with-temp-buffer (insert-file-contents seen) (buffer-string)) "up"))
       (coracle-wait (funcall told ": removed\\'"))
       (delete-file seen)))
   (coracle-events-mode -1)))

(ert-deftest coracle-test-logs ()
  "A log is followed to its end."
  (coracle-test-start "talker" "echo one; while ! test -e /go; do sleep 0.01; done; echo two")
  (let ((buffer (coracle-logs "talker")))
    (coracle-wait (coracle-test-has buffer "^one$"))
    (should-not (coracle-test-has buffer "^two$"))
    (coracle-ask 'container/exec '(:container "talker" :command ["touch" "/go"]))
    (coracle-wait (coracle-test-has buffer "^two$"))
    (kill-buffer buffer))
  (coracle-test-remove "talker"))

(ert-deftest coracle-test-shell ()
  "A shell in a container has a terminal."
  (coracle-test-start "web")
  (let* ((buffer (coracle-shell "web"))
         (process (get-buffer-process buffer)))
    (coracle-wait (coracle-test-has buffer "^/ #"))
    (process-send-string process "echo $((40 + 2)) && tty\n")
    (coracle-wait (coracle-test-has buffer "^42"))
    (coracle-wait (coracle-test-has buffer "^/dev/"))
    (process-send-string process "exit 3\n")
    (coracle-wait (not (process-live-p process)))
    (should (= (process-exit-status process) 3))
    (kill-buffer buffer))
  (coracle-test-remove "web"))

(ert-deftest coracle-test-list ()
  "The list keeps itself up to date, and keys act on its lines."
  (coracle-list)
  (let ((buffer (get-buffer coracle-list-buffer)))
    (coracle-test-start "web")
    (coracle-wait (coracle-test-has buffer "^ web +running +hello:1 +sh -c exec sleep 1000$"))
    (with-current-buffer buffer
      (call-interactively (key-binding "S"))
      (coracle-wait (coracle-test-has buffer "^ web +exited"))
      (call-interactively (key-binding "s"))
      (coracle-wait (coracle-test-has buffer "^ web +running"))
      (cl-letf (((symbol-function 'y-or-n-p) (lambda (question) (string-match-p "\\`Kill and remove web" question))))
        (call-interactively (key-binding "d")))
      (coracle-wait (not (coracle-test-has buffer "web")))
      (should-error (call-interactively (key-binding "d")) :type 'user-error))
    (kill-buffer buffer)))

(ert-deftest coracle-test-list-goes-on ()
  "The list goes on when the service has ended."
  (coracle-list)
  (let ((buffer (get-buffer coracle-list-buffer)))
    (coracle-test-kill)
    (call-process "coracle" nil nil nil "repl" "-c" "create --name outside hello:1 true")
    (coracle-wait (coracle-test-has buffer "^ outside"))
    (call-process "coracle" nil nil nil "repl" "-c" "rm outside")
    (coracle-wait (not (coracle-test-has buffer "outside")))
    (kill-buffer buffer)))

(ert-deftest coracle-test-far-shell ()
  "With what README.md says, a shell is one of the other machine."
  (let* ((directory (make-temp-file "coracle" t))
         (ssh (expand-file-name "ssh" directory))
         (process-environment (cons (format "PATH=%s:%s" directory (getenv "PATH")) process-environment))
         (coracle-repl-command coracle-repl-command))
    ;; As sshd does, it gives all words to a shell as one line.
    (write-region "#!/bin/sh\nshift\nexec sh -c \"$*\"\n" nil ssh)
    (set-file-modes ssh #o755)
    (coracle-test-start "far")
    (with-temp-buffer
      (insert-file-contents coracle-test-readme)
      (should (re-search-forward "^Containers on another machine:\n\n```elisp\n" nil t))
      (let (coracle-command)
        (eval (read (current-buffer)) t)))
    (let* ((buffer (coracle-shell "far"))
           (process (get-buffer-process buffer)))
      (coracle-wait (coracle-test-has buffer "^/ #"))
      (process-send-string process "tty && exit 3\n")
      ;; What it wrote can be read after its end.
      (coracle-wait (coracle-test-has buffer "^/dev/"))
      (coracle-wait (not (process-live-p process)))
      (should (= (process-exit-status process) 3))
      (kill-buffer buffer))
    (coracle-test-remove "far")))

(ert-deftest coracle-test-pull ()
  "A pull shows progress, and tells how it went."
  (coracle-hearing
   (let (answer)
     (coracle-pull "127.0.0.1:1/not/there" (lambda (failure _) (setq answer failure)))
     (coracle-wait answer)
     (should (funcall told "127.0.0.1:1")))
   (let ((reference (getenv "CORACLE_TEST_REFERENCE")) answer)
     (should reference)
     (coracle-pull reference (lambda (failure result) (setq answer (or failure result))))
     (coracle-wait answer)
     (should (plist-get answer :image))
     (should (funcall told (format "^pulled %s, " (regexp-quote reference))))
     (should (funcall told "^pull .*\\(done\\|%\\)"))
     (coracle-ask 'image/remove `(:image ,reference)))))

(ert-deftest coracle-test-build ()
  "The Dockerfile of the project is built, and what comes of it is run."
  (let* ((project (expand-file-name "My Project" (make-temp-file "coracle" t)))
         (dockerfile (expand-file-name "Dockerfile" project))
         (deep (file-name-as-directory (expand-file-name "deep" project)))
         (default-directory deep)
         answer)
    (make-directory deep t)
    (should (string-match-p "no Dockerfile" (cadr (should-error (coracle-build) :type 'user-error))))
    (write-region "FROM hello:1\nRUN --network=none echo building\nCMD echo running\n" nil dockerfile)
    (should (equal (coracle-project) dockerfile))
    (coracle-hearing
     (coracle-build)
     (coracle-wait (funcall told "\\`built my-project:latest: 3 steps, 1 of them from the cache\\'")))
    (should (coracle-test-has "*coracle build my-project:latest*" "building"))
    (coracle-wait (coracle-test-has "*coracle run my-project:latest*" "^\\[exit code 0\\]"))
    (should (coracle-test-has "*coracle run my-project:latest*" "^running$"))
    (kill-buffer "*coracle build my-project:latest*")
    (write-region "FROM hello:1\nRUN --network=none echo trouble && exit 3\n" nil dockerfile)
    ;; The buffer at hand is that of the run.
    (with-temp-buffer
      (setq default-directory deep)
      (coracle-build (lambda (failure _) (setq answer failure))))
    (coracle-wait answer)
    (should (equal (plist-get (plist-get answer :data) :kind) "buildFailed"))
    (should (coracle-test-has "*coracle build my-project:latest*" "trouble"))
    (kill-buffer "*coracle build my-project:latest*")
    (kill-buffer "*coracle run my-project:latest*")
    (coracle-ask 'image/remove '(:image "my-project:latest"))))

(ert-deftest coracle-test-events ()
  "Events are told, also those that happen while there is no service."
  (coracle-hearing
   (coracle-events-mode 1)
   (coracle-test-start "first" "exit 3")
   (coracle-wait (funcall told "\\`first: started\\'"))
   (coracle-wait (funcall told "\\`first: exited with 3\\'"))
   (setq words nil)
   (coracle-test-kill)
   (call-process "coracle" nil nil nil "repl" "-c" "rm first")
   (coracle-wait (funcall told "\\`first: removed\\'"))
   (should (= (length (seq-filter (lambda (text) (string-match-p "\\`first" text)) words)) 1))
   (coracle-events-mode -1)
   (setq words nil)
   (coracle-test-start "second")
   (coracle-test-remove "second")
   (should-not (funcall told "second"))))

(ert-deftest coracle-test-events-end ()
  "A subscription that the service ends is told of once, and followed by another that loses nothing."
  (coracle-hearing
   (coracle-events-mode 1)
   (coracle-test-start "first" "exit 0")
   (coracle-wait (funcall told "\\`first: exited with 0\\'"))
   (setq words nil)
   (let ((name (coracle-subscription-name coracle--events-subscription)))
     (coracle-ask 'event/unsubscribe `(:subscription ,name))
     (coracle-test-remove "first")
     ;; As the service says it.
     (coracle--dispatch coracle--connection 'event/ended
                        `(:subscription ,name :error (:kind "internal" :message "the journal is away" :retriable t)))
     (should (funcall told "asked for again: the journal is away"))
     (coracle-wait (funcall told "\\`first: removed\\'"))
     (should-not (equal (coracle-subscription-name coracle--events-subscription) name))
     (should (= (length words) 2)))
   (coracle-events-mode -1)))

(ert-deftest coracle-test-stop ()
  "The session that a person ends stays ended; events and the list go on with the next one."
  (coracle-hearing
   (coracle-list)
   (coracle-events-mode 1)
   (coracle-wait (coracle-subscription-name coracle--events-subscription))
   (coracle-stop)
   (should-not (coracle-test-services))
   (call-process "coracle" nil nil nil "repl" "-c" "create --name outside hello:1 true")
   ;; Far longer than the first pause after which they would begin one.
   (with-timeout ((* 5 coracle-first-pause))
     (while (not (coracle-test-services))
       (accept-process-output nil 0.01)))
   (should-not (coracle-test-services))
   (should-not words)
   (coracle-ask 'system/ping)
   (coracle-wait (funcall told "\\`outside: created\\'"))
   (coracle-wait (coracle-test-has coracle-list-buffer "^ outside"))
   (coracle-events-mode -1)
   (kill-buffer coracle-list-buffer)
   (coracle-test-remove "outside")))

(ert-deftest coracle-test-dies-asked ()
  "A service that dies while it is asked for events is not told of, and the next one is asked."
  (coracle-hearing
   (coracle-ask 'system/ping)
   (coracle-events-mode 1)
   ;; No answer is read before it is killed, and it hardly comes to give one.
   (should (coracle-subscription-is-asking coracle--events-subscription))
   (coracle-test-kill)
   (coracle-wait (coracle-subscription-name coracle--events-subscription))
   (should-not words)
   (coracle-events-mode -1)))

(ert-deftest coracle-test-list-quiet ()
  "By itself the list asks nothing of a session that is to end, and tells nothing of one that has ended."
  (coracle-hearing
   (let (asked)
     (cl-letf (((symbol-function 'coracle-request) (lambda (_ _ callback) (setq asked callback))))
       (let ((coracle--is-stopping t))
         (coracle--list-renew)
         (should-not asked))
       (coracle--list-renew)
       (funcall asked '(:code -1 :message "Server died") nil)
       (let ((coracle--is-stopping t))
         (funcall asked '(:code -32800 :message "cancelled") nil))
       (should-not words)
       (funcall asked '(:code -32000 :message "the store is gone") nil)
       (should (funcall told "the store is gone"))))))

(ert-deftest coracle-test-outage ()
  "An outage is told of once; pauses grow, until a person ends that."
  (coracle-hearing
   (coracle-events-mode 1)
   (coracle-wait (coracle-subscription-name coracle--events-subscription))
   (let* ((starts (make-temp-file "coracle"))
          (coracle-command `("sh" "-c" ,(format "date +%%s%%N >> %s; exit 255" starts)))
          (times (lambda ()
                   (with-temp-buffer
                     (insert-file-contents starts)
                     (mapcar #'string-to-number (split-string (buffer-string) "\n" t))))))
     (coracle-test-kill)
     (coracle-wait (>= (length (funcall times)) 4))
     (coracle-wait (not (coracle-test-services)))
     (should (= (length words) 1))
     (pcase-let ((`(,_ ,second ,third ,fourth . ,_) (funcall times)))
       ;; In nanoseconds, at least.
       (should (>= (- third second) 200000000))
       (should (>= (- fourth third) 400000000)))
     (coracle-stop)
     (should-not (coracle-subscription-timer coracle--events-subscription)))
   ;; One that says nothing holds nobody up, and goes as well.
   (coracle-ask 'system/ping)
   (coracle-wait (coracle-subscription-name coracle--events-subscription))
   (let ((coracle-command '("sleep" "1000")))
     (coracle-test-kill)
     (coracle-wait coracle--opening)
     (coracle-stop)
     (should-not (or coracle--opening (coracle-test-services)))
     (should-not (coracle-subscription-timer coracle--events-subscription)))
   (coracle-ask 'system/ping)
   (coracle-test-start "after" "exit 0")
   (coracle-wait (funcall told "\\`after: exited with 0\\'"))
   (coracle-events-mode -1)
   (coracle-test-remove "after")))

(ert-deftest coracle-test-no-program ()
  "A program that is not there leaves no buffers behind."
  (coracle-stop)
  (let ((coracle-command '("/no/coracle" "serve"))
        (before (buffer-list)))
    (dolist (action (list (lambda () (coracle-run "hello:1" '("true"))) (lambda () (coracle-logs "web"))
                          #'coracle-list (lambda () (coracle-pull "hello:1"))))
      (should (string-match-p "Cannot find /no/coracle" (cadr (should-error (funcall action) :type 'user-error)))))
    (should (equal (buffer-list) before))))

(ert-deftest coracle-test-no-service ()
  "A service that is not there is told of."
  (coracle-stop)
  (let ((coracle-command '("/no/coracle" "serve")))
    (should-error (coracle-ask 'system/ping) :type 'user-error))
  (let ((coracle-command '("sh" "-c" "exit 7")))
    (should-error (coracle-ask 'system/ping)))
  (should (coracle-ask 'system/info)))

(defconst coracle-test-readme
  (expand-file-name "../README.md" (file-name-directory (or load-file-name buffer-file-name))))

(ert-deftest coracle-test-readme ()
  "What README.md shows works, and it names each command."
  (with-temp-buffer
    (insert-file-contents coracle-test-readme)
    (let ((text (buffer-string)) (before coracle-command) examples)
      (while (re-search-forward "^```elisp\n\\(\\(?:.*\n\\)*?\\)```$" nil t)
        (push (match-string 1) examples))
      (setq examples (nreverse examples))
      (should (= (length examples) 4))
      (cl-flet ((run (example) (eval (read (format "(progn %s)" example)) t)))
        (let ((load-path load-path) coracle-command coracle-repl-command)
          (run (nth 0 examples))
          (run (nth 2 examples))
          (should (equal (car coracle-command) "ssh")))
        (should (equal coracle-command before))
        (run (nth 1 examples))
        (coracle-wait (coracle-test-has "*coracle run hello:1*" "^hello$"))
        (should (= (run (nth 3 examples)) 1)))
      (mapatoms (lambda (symbol)
                  (when (and (commandp symbol)
                             (string-match-p "\\`coracle-[a-z-]+\\'" (symbol-name symbol))
                             (not (string-match-p "\\`coracle-\\(list\\|output\\)-" (symbol-name symbol))))
                    (should (string-match-p (format "`%s`" symbol) text)))))
      (kill-buffer coracle-list-buffer)
      (kill-buffer "*coracle run hello:1*"))))

;;; coracle-tests.el ends here
