;;; coracle-list.el --- The list of containers  -*- lexical-binding: t; -*-

;;; Commentary:

;; A buffer that is kept up to date, with an action on each key.

;;; Code:

(require 'coracle-output)
(require 'coracle-subscription)
(require 'tabulated-list)

(defconst coracle-list-buffer "*coracle containers*")

(defvar-local coracle--subscription nil "The subscription that keeps the list up to date.")

(defvar coracle-list-mode-map
  (let ((map (make-sparse-keymap)))
    (define-key map (kbd "RET") #'coracle-list-logs)
    (define-key map "s" #'coracle-list-start)
    (define-key map "S" #'coracle-list-stop)
    (define-key map "d" #'coracle-list-remove)
    (define-key map "e" #'coracle-list-shell)
    map)
  "Keys of the list of containers.")

(define-derived-mode coracle-list-mode tabulated-list-mode "Coracle"
  "Containers, the newest first.
\\{coracle-list-mode-map}"
  (setq tabulated-list-format [("Name" 20 t) ("State" 18 t) ("Image" 30 t) ("Command" 0 nil)])
  (setq tabulated-list-padding 1)
  (setq-local revert-buffer-function (lambda (&rest _) (coracle-list-refresh)))
  (tabulated-list-init-header)
  (add-hook 'kill-buffer-hook #'coracle--list-leave nil t))

(defun coracle--row (container)
  "The line of CONTAINER."
  (let* ((state (plist-get container :state))
         (health (plist-get container :health))
         (shown (cond ((and (equal state "exited") (plist-get container :exit))
                       (format "exited (%d)" (plist-get (plist-get container :exit) :code)))
                      (health (format "%s, %s" state health))
                      (t state))))
    (list container
          (vector (plist-get container :name) shown (plist-get container :image)
                  (replace-regexp-in-string "[[:space:]]+" " "
                                            (string-join (plist-get container :command) " "))))))

(defun coracle-list-refresh ()
  "Read the list anew."
  (interactive)
  (coracle--list-read (lambda (failure) (message "%s" (coracle-sentence failure)))))

(defun coracle--list-renew ()
  "Read the list anew, since something has changed.
Nothing is told of a session that ends: it is read again with the next one."
  (unless coracle--is-stopping
    (coracle--list-read (lambda (failure)
                          (unless (or coracle--is-stopping (memq (plist-get failure :code) '(nil -1)))
                            (message "%s" (coracle-sentence failure)))))))

(defun coracle--list-read (on-failure)
  "Read the list anew, or call ON-FAILURE with an error."
  (coracle-request
   'container/list '(:all t)
   (lambda (failure result)
     (if failure
         (funcall on-failure failure)
       (when-let ((buffer (get-buffer coracle-list-buffer)))
         (with-current-buffer buffer
           (setq tabulated-list-entries (mapcar #'coracle--row (plist-get result :containers)))
           (tabulated-list-print t)))))))

(defun coracle--list-leave ()
  "End the subscription."
  (when coracle--subscription
    (coracle-unfollow coracle--subscription)))

;;;###autoload
(defun coracle-list ()
  "Show all containers."
  (interactive)
  ;; Where there is none, there is nothing to show.
  (coracle-connection)
  (let ((buffer (get-buffer-create coracle-list-buffer)))
    (with-current-buffer buffer
      (unless (derived-mode-p 'coracle-list-mode)
        (coracle-list-mode))
      (if coracle--subscription
          (coracle-list-refresh)
        (setq coracle--subscription
              (coracle-follow (lambda () '(:kinds ["container."]))
                              (lambda (_) (coracle--list-renew))
                              (lambda (failure _)
                                (if failure
                                    (message "%s" (coracle-sentence failure))
                                  (coracle--list-renew)))))))
    (pop-to-buffer buffer)))

(defun coracle--selected ()
  "The container on the line."
  (or (tabulated-list-get-id) (user-error "No container on this line")))

(defun coracle--act (method &rest params)
  "Send METHOD about the container on the line, with more PARAMS.
The list changes by the event that this makes."
  (coracle-request method `(:container ,(plist-get (coracle--selected) :id) ,@params)
                   (lambda (failure _)
                     (when failure
                       (message "%s" (coracle-sentence failure))))))

(defun coracle-list-start ()
  "Start the container on the line."
  (interactive)
  (coracle--act 'container/start))

(defun coracle-list-stop ()
  "Stop the container on the line."
  (interactive)
  (coracle--act 'container/stop))

(defun coracle-list-remove ()
  "Remove the container on the line, and kill it first unless it has ended."
  (interactive)
  (let* ((container (coracle--selected))
         (runs (not (member (plist-get container :state) '("exited" "created")))))
    (when (y-or-n-p (format (if runs "Kill and remove %s? " "Remove %s? ") (plist-get container :name)))
      (coracle--act 'container/remove :force (if runs t :json-false)))))

(defun coracle-list-logs ()
  "Show the log of the container on the line."
  (interactive)
  (coracle-logs (plist-get (coracle--selected) :name)))

(defun coracle-list-shell ()
  "Run a shell in the container on the line."
  (interactive)
  (coracle-shell (plist-get (coracle--selected) :name)))

(provide 'coracle-list)
;;; coracle-list.el ends here
