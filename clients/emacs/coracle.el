;;; coracle.el --- Containers  -*- lexical-binding: t; -*-

;; Version: 0.1.0
;; Package-Requires: ((emacs "28.1"))
;; Keywords: tools, processes

;; SPDX-License-Identifier: Apache-2.0

;;; Commentary:

;; Containers from Emacs, by a service that it starts for itself, `coracle serve', with jsonrpc.el.
;; Nothing else is needed but `coracle' in `exec-path'.
;;
;; `coracle-list'         the containers, kept up to date, with a key for each action
;; `coracle-pull'         fetch an image, and show how far it is
;; `coracle-run'          run a container, and show what it writes
;; `coracle-build'        build the Dockerfile of the current project, and run what comes of it
;; `coracle-logs'         follow what a container has written and writes
;; `coracle-shell'        a shell in a container
;; `coracle-events-mode'  tell in the echo area what happens, also what did while there was no service
;; `coracle-stop'         end the session; containers go on
;;
;; With `coracle-command' the service is elsewhere: (setq coracle-command '("ssh" "host" "coracle" "serve")).
;; So it is for shells with `coracle-repl-command': '("coracle" "repl" "--server" "ssh host coracle serve").
;; `coracle-request' sends any request of the protocol.

;;; Code:

(require 'coracle-session)
(require 'coracle-output)
(require 'coracle-list)
(require 'coracle-events)

(defvar coracle--last-token 0)

(defun coracle-with-progress (title method params callback)
  "Send METHOD with PARAMS, and report how far it is under TITLE.
CALLBACK is called with an error or nil, and a result.  Answer a function that
cancels the request."
  (coracle-connection)
  (let* ((token (format "emacs%d" (cl-incf coracle--last-token)))
         (reporter (make-progress-reporter (concat title "…") 0 100))
         (notice
          (lambda (notification progress)
            (when (and (eq notification '$/progress) (equal (plist-get progress :token) token))
              (let* ((value (plist-get progress :value))
                     (percentage (plist-get value :percentage)))
                (when percentage
                  (progress-reporter-update reporter percentage (concat " " (plist-get value :message)))))))))
    (add-hook 'coracle-notification-functions notice)
    (coracle-request method (append params (list :workDoneToken token))
                     (lambda (failure result)
                       (remove-hook 'coracle-notification-functions notice)
                       (if failure
                           (message "%s" (coracle-sentence failure))
                         (progress-reporter-done reporter))
                       (funcall callback failure result)))))

(defvar coracle--cancel-pull nil "What cancels the last pull.")

;;;###autoload
(defun coracle-pull (reference &optional callback)
  "Fetch the image REFERENCE.
CALLBACK is called with an error or nil, and a result."
  (interactive "sPull image: ")
  (setq coracle--cancel-pull
        (coracle-with-progress
         (format "pull %s" reference) 'image/pull `(:reference ,reference)
         (lambda (failure result)
           (unless failure
             (message "pulled %s, %s over the network" (plist-get result :reference)
                      (file-size-human-readable (plist-get result :fetchedBytes) 'si)))
           (when callback (funcall callback failure result))))))

(defun coracle-cancel-pull ()
  "Cancel the last pull."
  (interactive)
  (when coracle--cancel-pull
    (funcall coracle--cancel-pull)))

(defun coracle-project (&optional start)
  "The Dockerfile of the project that START or the current directory is in, or nil."
  (seq-some (lambda (name)
              (when-let ((directory (locate-dominating-file (or start default-directory) name)))
                (expand-file-name name directory)))
            '("Dockerfile" "Containerfile")))

(defun coracle--project-reference (directory)
  "The name that the image of the project in DIRECTORY gets.
It is that of the directory, as far as references may have it."
  (let ((name (string-trim (replace-regexp-in-string
                            "[^a-z0-9]+" "-"
                            (downcase (file-name-nondirectory (directory-file-name directory))))
                           "-" "-")))
    (concat (if (string-empty-p name) "project" name) ":latest")))

;;;###autoload
(defun coracle-build (&optional callback)
  "Build the current project's Dockerfile, and run what comes of it.
CALLBACK is called with an error or nil, and a result."
  (interactive)
  (let* ((file (or (coracle-project)
                   (user-error "There is no Dockerfile in this directory or above it")))
         (directory (directory-file-name (file-name-directory file)))
         (reference (coracle--project-reference directory)))
    (coracle-show
     (format "*coracle build %s*" reference) 'build/start
     ;; By its path, since the service is on this machine; over ssh it is one of the other machine.
     `(:context ,directory :file ,(file-name-nondirectory file) :references [,reference])
     (lambda (failure result)
       (unless failure
         (let ((steps (plist-get result :steps)))
           (message "built %s: %d steps, %d of them from the cache" reference (length steps)
                    (seq-count (lambda (step) (eq (plist-get step :cached) t)) steps)))
         (coracle-run reference nil))
       (when callback (funcall callback failure result)))
     (lambda (streams)
       (list :output (plist-get streams :stdout) :initialCredit (plist-get streams :initialCredit))))))

(provide 'coracle)
;;; coracle.el ends here
