;;; coracle-output.el --- What containers write  -*- lexical-binding: t; -*-

;;; Commentary:

;; Buffers that show what containers write, and shells in them.

;;; Code:

(require 'coracle-session)
(require 'ansi-color)
(require 'term)

(defvar-local coracle--cancel nil
  "What cancels the request that the buffer shows; nil when it has ended.")

(define-derived-mode coracle-output-mode special-mode "Coracle"
  "What a container writes.  When the buffer goes, the request goes that shows it."
  (buffer-disable-undo)
  (add-hook 'kill-buffer-hook #'coracle--leave nil t))

(defun coracle--leave ()
  "Cancel the request whose output is in the buffer."
  (when coracle--cancel
    (funcall coracle--cancel)))

(defun coracle--append (buffer text)
  "Put TEXT at the end of BUFFER; windows that show its end go on to do so."
  (when (buffer-live-p buffer)
    (with-current-buffer buffer
      (let ((inhibit-read-only t)
            (following (seq-filter (lambda (window) (= (window-point window) (point-max)))
                                   (get-buffer-window-list buffer nil t)))
            (moves (= (point) (point-max))))
        (save-excursion
          (goto-char (point-max))
          (insert (ansi-color-apply (string-replace "\r\n" "\n" text))))
        (when moves (goto-char (point-max)))
        (dolist (window following)
          (set-window-point window (point-max)))))))

(defconst coracle--unfinished
  "\\(?:[\300-\337]\\|[\340-\357][\200-\277]?\\|[\360-\367][\200-\277]\\{0,2\\}\\)\\'"
  "A character at the end of bytes of which some are still to come.")

(defun coracle--decoder (buffer)
  "A function that puts bytes at the end of BUFFER, and nil at their end.
Pieces may end in the middle of a character."
  (let ((rest ""))
    (lambda (bytes)
      (let* ((all (concat rest bytes))
             (cut (or (and bytes (string-match coracle--unfinished all)) (length all))))
        (setq rest (substring all cut))
        (coracle--append buffer (decode-coding-string (substring all 0 cut) 'utf-8-unix))))))

(defun coracle-show (name method params &optional callback attach)
  "Show the output of METHOD with PARAMS in a buffer called NAME, and answer that.
CALLBACK is called with an error or nil, and a result.  ATTACH is called with
the streams, and answers the parameters that name them; those are in `streams'
when it is nil."
  ;; Where there is none, there is nothing to show.
  (coracle-connection)
  (let* ((buffer (generate-new-buffer name))
         (streams (list :stdout (coracle-open-stream (coracle--decoder buffer))
                        :stderr (coracle-open-stream (coracle--decoder buffer))
                        :initialCredit coracle-window)))
    (with-current-buffer buffer
      (coracle-output-mode)
      (setq coracle--cancel
            (coracle-request
             method (append params (if attach (funcall attach streams) (list :streams streams)))
             (lambda (failure result)
               ;; One that was refused, or has not used both, does not end them.
               (coracle-close-stream (plist-get streams :stdout))
               (coracle-close-stream (plist-get streams :stderr))
               (when (buffer-live-p buffer)
                 (with-current-buffer buffer (setq coracle--cancel nil)))
               (cond (failure (coracle--append buffer (coracle-sentence failure)))
                     ((plist-get result :exit)
                      (coracle--append
                       buffer (format "[exit code %d]" (plist-get (plist-get result :exit) :code)))))
               (when callback (funcall callback failure result))))))
    (pop-to-buffer buffer)
    buffer))

(defun coracle-container-names (&optional all)
  "The names of containers that run, or of ALL."
  (mapcar (lambda (container) (plist-get container :name))
          (plist-get (coracle-ask 'container/list `(:all ,(if all t :json-false))) :containers)))

(defun coracle-image-names ()
  "The names of all images."
  (mapcar (lambda (name) (string-remove-prefix "docker.io/library/" name))
          (seq-mapcat (lambda (image) (append (plist-get image :references) nil))
                      (plist-get (coracle-ask 'image/list) :images))))

;;;###autoload
(defun coracle-logs (container)
  "Show what CONTAINER has written and writes."
  (interactive (list (completing-read "Log of container: " (coracle-container-names t) nil t)))
  (coracle-show (format "*coracle log %s*" container) 'container/logs `(:container ,container :follow t)))

;;;###autoload
(defun coracle-run (image command &optional callback)
  "Run COMMAND, a list of words, in a container of IMAGE.
What it writes is shown in a buffer; when that is killed the container is
stopped, and so it is when Emacs or the session ends.  It is removed in any
case.  CALLBACK is called with an error or nil,
and a result."
  (interactive (list (completing-read "Run image: " (coracle-image-names) nil t)
                     (split-string-and-unquote (read-string "Command (the image's own): "))))
  (coracle-show (format "*coracle run %s*" image) 'container/run
                `(:image ,image :autoRemove t :lifetime "session" :initProcess t
                        ,@(and command `(:command ,(vconcat command))))
                callback))

;;;###autoload
(defun coracle-shell (container &optional shell)
  "Run SHELL, sh when nil, in CONTAINER, in a terminal."
  (interactive (list (completing-read "Shell in container: " (coracle-container-names) nil t)))
  (let* ((words (append coracle-repl-command (list "-c" (format "exec -it %s %s" container (or shell "sh")))))
         (buffer (apply #'make-term (format "coracle shell %s" container) (car words) nil (cdr words))))
    (with-current-buffer buffer
      (term-mode)
      (term-char-mode))
    (pop-to-buffer buffer)
    buffer))

(provide 'coracle-output)
;;; coracle-output.el ends here
