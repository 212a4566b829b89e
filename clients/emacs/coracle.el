;;; coracle.el --- Containers  -*- lexical-binding: t; -*-

;; Version: 0.1.0
;; Package-Requires: ((emacs "28.1"))
;; Keywords: tools, processes

;;; Commentary:

;; Pull and run images, and see to containers, by a service that Emacs starts for itself:
;; `coracle-pull', `coracle-run', `coracle-build', `coracle-list', `coracle-logs', `coracle-shell', `coracle-events-mode'.

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

;;;###autoload
(defun coracle-build ()
  "Build the current project's Dockerfile, and run what comes of it."
  (interactive)
  (let ((file (or (coracle-project) (user-error "There is no Dockerfile in this directory or above it"))))
    (unless (coracle-has-method-p "build/start")
      (user-error "This version of Coracle cannot build %s yet: it has no build/start" file))))

(provide 'coracle)
;;; coracle.el ends here
