;;; coracle-session.el --- A session with a Coracle service  -*- lexical-binding: t; -*-

;;; Commentary:

;; One session with `coracle serve', on jsonrpc.el.  It begins with the first request.

;;; Code:

(require 'cl-lib)
(require 'jsonrpc)
(require 'seq)
(require 'subr-x)

(defgroup coracle nil
  "Containers."
  :group 'tools)

(defcustom coracle-command '("coracle" "serve")
  "What starts the service: here, or elsewhere as (\"ssh\" \"host\" \"coracle\" \"serve\")."
  :type '(repeat string))

(defcustom coracle-repl-command '("coracle" "repl")
  "What starts the REPL, for a shell in a terminal.
Of a service elsewhere: (\"coracle\" \"repl\" \"--server\" \"ssh host coracle serve\")."
  :type '(repeat string))

(defclass coracle-session (jsonrpc-process-connection)
  ((last-request :initform nil :documentation "The id of the request that was sent last.")))

(cl-defmethod jsonrpc-connection-send :before ((connection coracle-session) &key id method &allow-other-keys)
  "Keep the ID of a request to CONNECTION, by which it can be cancelled.
A message with a METHOD and an ID is one."
  (when (and id method)
    (setf (slot-value connection 'last-request) id)))

(defvar coracle--connection nil "The session, or nil.")
(defvar coracle--streams (make-hash-table :test #'equal)
  "By the names of open streams, functions of a string of bytes.
At the end they are called with nil.")
(defvar coracle--last-stream 0)
(defvar coracle-notification-functions nil
  "Functions of a method's symbol and its parameters.
They are called with all that the service says without being asked.
Also called with `begin', when there is a session, with `exit', when the
service has ended, and with `stop', when a person wants none.")

(defconst coracle-window 1048576 "The bytes that a stream may have under way.")

(defvar coracle--opening nil "The session that is being begun, or nil.")
(defvar coracle--waiting nil "What to call, with an error or nil, when that is over.")
(defvar coracle--is-stopping nil "Whether a person is ending the session.")

(defun coracle--open (callback)
  "Begin the session where there is none, and wait for nothing.
CALLBACK is called with an error, or with nil when there is one."
  (cond
   ((and coracle--connection (jsonrpc-running-p coracle--connection))
    (funcall callback nil))
   (coracle--opening
    (push callback coracle--waiting))
   ((not (executable-find (car coracle-command)))
    (funcall callback `(:message ,(format "Cannot find %s" (car coracle-command)))))
   (t
    (let ((connection
           (make-instance 'coracle-session :name "coracle" :events-buffer-scrollback-size 0
                          :process #'coracle--start
                          :notification-dispatcher #'coracle--dispatch
                          :on-shutdown #'coracle--ended)))
      (setq coracle--opening connection
            coracle--waiting (list callback))
      (add-function :around (process-sentinel (jsonrpc--process connection)) #'coracle--hush)
      (condition-case failure
          (jsonrpc-async-request
           ;; Without the editor's process: behind ssh it would be one of another machine.
           connection :initialize '(:clientInfo (:name "emacs"))
           :timeout nil
           :success-fn (lambda (_)
                         (jsonrpc-notify connection :initialized (make-hash-table))
                         (coracle--opened connection nil))
           :error-fn (lambda (failure) (coracle--opened connection failure)))
        ;; It has ended before it could be written to.
        (error (coracle--opened connection `(:code -1 :message ,(error-message-string failure)))))))))

(defun coracle--hush (sentinel process change)
  "Call SENTINEL with PROCESS and CHANGE, but without its message.
Whoever waits for the service is told of its end by others."
  (cl-letf (((symbol-function 'jsonrpc--message) #'ignore))
    (funcall sentinel process change)))

(defun coracle--opened (connection failure)
  "Tell who waits that CONNECTION is there, or FAILURE."
  (when (eq connection coracle--opening)
    (let ((calls (reverse coracle--waiting)))
      (setq coracle--opening nil
            coracle--waiting nil)
      (unless failure (setq coracle--connection connection))
      (dolist (call calls) (funcall call failure))
      (unless failure
        (run-hook-with-args 'coracle-notification-functions 'begin nil)))))

(defvar coracle--patience 60
  "Seconds that a service has for its answer to who waits for it.")

(defun coracle-connection ()
  "The session, which is begun where there is none."
  (let (answer)
    (coracle--open (lambda (failure) (setq answer (list failure))))
    (with-timeout (coracle--patience
                   (coracle-stop)
                   (user-error "The service does not answer"))
      (while (not answer)
        (accept-process-output nil 1)))
    (when (car answer)
      (user-error "%s" (coracle-sentence (car answer))))
    coracle--connection))

(defun coracle--start ()
  "Start the service."
  (make-process :name "coracle" :command coracle-command :connection-type 'pipe
                :coding 'utf-8-emacs-unix :noquery t
                :stderr (get-buffer-create "*coracle stderr*")))

(defun coracle-stop ()
  "End the session.
Whoever follows events goes on with the next one."
  (interactive)
  (let ((coracle--is-stopping t)
        (connection coracle--connection))
    (when coracle--opening
      (delete-process (jsonrpc--process coracle--opening)))
    (when connection
      (when (jsonrpc-running-p connection)
        (ignore-errors (coracle--wait connection :shutdown nil))
        (ignore-errors (jsonrpc-notify connection :exit (make-hash-table))))
      ;; Until it has been told of, too: afterwards it would not be known for what it is.
      (with-timeout (5 (delete-process (jsonrpc--process connection)))
        (while (eq connection coracle--connection)
          (accept-process-output nil 0.01))))
    (setq coracle--connection nil)
    (run-hook-with-args 'coracle-notification-functions 'stop nil)))

(defun coracle--ended (connection)
  "Tell everyone that CONNECTION has ended."
  (when (eq connection coracle--connection)
    (setq coracle--connection nil))
  (mapc #'coracle-close-stream (hash-table-keys coracle--streams))
  (run-hook-with-args 'coracle-notification-functions 'exit nil))

(defun coracle--dispatch (_connection method params)
  "Take the notification METHOD with PARAMS."
  (pcase method
    ('stream/data
     (let* ((name (plist-get params :stream))
            (taker (gethash name coracle--streams))
            (data (plist-get params :data))
            (bytes (if (equal (plist-get params :encoding) "base64")
                       (base64-decode-string data)
                     (encode-coding-string data 'utf-8-unix))))
       (when taker
         (funcall taker bytes)
         (unless (string-empty-p bytes)
           (coracle-notify 'stream/credit `(:stream ,name :bytes ,(length bytes)))))))
    ('stream/closed
     (coracle-close-stream (plist-get params :stream))))
  (run-hook-with-args 'coracle-notification-functions method params))

(defun coracle-notify (method params)
  "Say METHOD with PARAMS, where there is a session."
  (when (and coracle--connection (jsonrpc-running-p coracle--connection))
    (jsonrpc-notify coracle--connection method params)))

(defun coracle-open-stream (taker)
  "Open a stream of the service's and answer its name.
TAKER is called with each string of bytes, and with nil at the end."
  (let ((name (format "emacs%d" (cl-incf coracle--last-stream))))
    (puthash name taker coracle--streams)
    name))

(defun coracle-close-stream (name)
  "Nothing more comes on the stream NAME: tell its taker, unless that was done."
  (when-let ((taker (gethash name coracle--streams)))
    (remhash name coracle--streams)
    (funcall taker nil)))

(defun coracle-request (method params callback)
  "Send METHOD with PARAMS.
CALLBACK is called with an error or nil, and a result.  Answer a function that
cancels the request; CALLBACK is called all the same, when its work has stopped."
  (let ((connection (coracle-connection)))
    (jsonrpc-async-request
     connection method (or params (make-hash-table))
     :timeout nil
     :success-fn (lambda (result) (funcall callback nil result))
     :error-fn (lambda (failure) (funcall callback failure nil)))
    (let ((id (slot-value connection 'last-request)))
      (lambda () (coracle-notify '$/cancelRequest `(:id ,id))))))

(defun coracle-ask (method &optional params)
  "Send METHOD with PARAMS and answer its result.
Signal a `user-error' with what went wrong."
  (coracle--wait (coracle-connection) method params))

(defun coracle--wait (connection method params)
  "Send METHOD with PARAMS on CONNECTION and wait for the answer.
Not by `jsonrpc-request': what comes behind its answer is left lying until more
comes, since it throws out of the filter."
  (let (answer)
    (jsonrpc-async-request
     connection method (or params (make-hash-table))
     :timeout nil
     :success-fn (lambda (result) (setq answer (list nil result)))
     :error-fn (lambda (failure) (setq answer (list failure nil))))
    (with-timeout (coracle--patience (user-error "%s has no answer" method))
      (while (not answer)
        (accept-process-output nil 1)))
    (when (car answer)
      (user-error "%s" (coracle-sentence (car answer))))
    (cadr answer)))

(defun coracle-sentence (failure)
  "What to tell a person of FAILURE, an error of the service's."
  (let* ((data (plist-get failure :data))
         (hint (plist-get data :hint)))
    (concat (string-join (cons (plist-get failure :message) (append (plist-get data :causes) nil)) ": ")
            (and hint (format " (%s)" hint)))))

(provide 'coracle-session)
;;; coracle-session.el ends here
