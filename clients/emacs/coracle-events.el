;;; coracle-events.el --- Events as messages  -*- lexical-binding: t; -*-

;;; Commentary:

;; What happens in the store, in the echo area.  No event is lost: after the service has ended, they go on where they were.

;;; Code:

(require 'coracle-subscription)

(defcustom coracle-event-kinds '("container." "image.")
  "The kinds of event to tell; one that ends in a dot means all that begin with it."
  :type '(repeat string)
  :group 'coracle)

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

;;;###autoload
(define-minor-mode coracle-events-mode
  "Tell in the echo area what happens to containers and images."
  :global t
  :group 'coracle
  (when coracle--events-subscription
    (coracle-unfollow coracle--events-subscription))
  (setq coracle--events-cursor nil
        coracle--events-subscription
        (and coracle-events-mode
             (coracle-follow #'coracle--events-parameters
                             (lambda (event)
                               (setq coracle--events-cursor (plist-get event :cursor))
                               (message "%s" (coracle--event-text event)))
                             (lambda (failure answer)
                               (if failure
                                   (message "%s" (coracle-sentence failure))
                                 (setq coracle--events-cursor (plist-get answer :cursor))))))))

(defun coracle--events-parameters ()
  "What to subscribe to: what comes after the last event that was told."
  `(:kinds ,(vconcat coracle-event-kinds) ,@(and coracle--events-cursor `(:after ,coracle--events-cursor))))

(provide 'coracle-events)
;;; coracle-events.el ends here
