;;; coracle-events.el --- Events as messages  -*- lexical-binding: t; -*-

;;; Commentary:

;; What happens in the store, in the echo area.  No event is lost: after the service has ended, they go on where they were.

;;; Code:

(require 'coracle-session)

(defcustom coracle-event-kinds '("container." "image.")
  "The kinds of event to tell; one that ends in a dot means all that begin with it."
  :type '(repeat string)
  :group 'coracle)

(defvar coracle-events-mode)
(defvar coracle--events-subscription nil)
(defvar coracle--events-cursor nil "After the last event that was told.")

(defun coracle--event-text (event)
  "What to tell of EVENT."
  (let* ((attributes (plist-get event :attributes))
         (subject (or (plist-get attributes :name) (plist-get attributes :reference)
                      (truncate-string-to-width (plist-get event :subject) 19)))
         (case-fold-search nil)
         (kind (replace-regexp-in-string "\\`.*\\." "" (plist-get event :kind)))
         (words (downcase (replace-regexp-in-string "[A-Z]" " \\&" kind)))
         (code (plist-get attributes :exitCode)))
    (format "%s: %s" subject
            (cond (code (format "%s with %d" words code))
                  ((plist-get attributes :health))
                  (t words)))))

(defun coracle--events-notice (method params)
  "Tell the event that METHOD with PARAMS is about.
After the end of the service, subscribe again."
  (pcase method
    ('event/occurred
     (when (equal (plist-get params :subscription) coracle--events-subscription)
       (setq coracle--events-cursor (plist-get params :cursor))
       (message "%s" (coracle--event-text params))))
    ('exit
     (setq coracle--events-subscription nil)
     (run-at-time 0.5 nil #'coracle--events-subscribe))))

(defun coracle--events-subscribe ()
  "Subscribe, after the last event that was told."
  (when (and coracle-events-mode (not coracle--events-subscription))
    (coracle-request
     'event/subscribe
     `(:kinds ,(vconcat coracle-event-kinds) ,@(and coracle--events-cursor `(:after ,coracle--events-cursor)))
     ;; At once, since events come right behind the answer.
     (lambda (failure answer)
       (if failure
           (message "%s" (coracle-sentence failure))
         (setq coracle--events-subscription (plist-get answer :subscription)
               coracle--events-cursor (plist-get answer :cursor)))))))

;;;###autoload
(define-minor-mode coracle-events-mode
  "Tell in the echo area what happens to containers and images."
  :global t
  :group 'coracle
  (remove-hook 'coracle-notification-functions #'coracle--events-notice)
  (if coracle-events-mode
      (progn
        (add-hook 'coracle-notification-functions #'coracle--events-notice)
        (coracle--events-subscribe))
    (when (and coracle--events-subscription coracle--connection)
      (coracle-request 'event/unsubscribe `(:subscription ,coracle--events-subscription) #'ignore))
    (setq coracle--events-subscription nil
          coracle--events-cursor nil)))

(provide 'coracle-events)
;;; coracle-events.el ends here
