;;; coracle-subscription.el --- Events for as long as somebody wants them  -*- lexical-binding: t; -*-

;;; Commentary:

;; After the service or its events have ended they are asked for again; not where a person has ended the session, until something
;; else begins one.

;;; Code:

(require 'coracle-session)

(defconst coracle-first-pause 0.1
  "Seconds before a service that has ended is begun again.
Each pause is twice as long as the one before, until an event comes.")
(defconst coracle-longest-pause 5.0)

(cl-defstruct (coracle-subscription (:constructor coracle--make-subscription) (:copier nil))
  "Events that somebody follows; NAME is that of the session at hand."
  parameters on-event on-answer name is-asking has-begun has-told timer (pause coracle-first-pause))

(defvar coracle--subscriptions nil "What is followed.")

(defun coracle-follow (parameters on-event on-answer)
  "Follow events, and answer what `coracle-unfollow' takes.
PARAMETERS answers those of event/subscribe, each time.  ON-EVENT is called with
each event.  ON-ANSWER is called with an error or nil, and each answer to
event/subscribe; of an outage only with the first error."
  (let ((subscription (coracle--make-subscription
                       :parameters parameters :on-event on-event :on-answer on-answer)))
    (add-hook 'coracle-notification-functions #'coracle--subscriptions-notice)
    (push subscription coracle--subscriptions)
    (coracle--subscribe subscription)
    subscription))

(defun coracle-unfollow (subscription)
  "End SUBSCRIPTION."
  (setq coracle--subscriptions (delq subscription coracle--subscriptions))
  (coracle--rest subscription)
  (coracle--unsubscribe (coracle-subscription-name subscription)))

(defun coracle--unsubscribe (name)
  "End the subscription NAME of the session at hand."
  (when (and name coracle--connection (jsonrpc-running-p coracle--connection))
    (coracle-request 'event/unsubscribe `(:subscription ,name) #'ignore)))

(defun coracle--subscribe (subscription)
  "Ask for the events of SUBSCRIPTION, where that has not been done.
Wait for nothing: this is called by timers."
  (unless (or (coracle-subscription-name subscription) (coracle-subscription-is-asking subscription))
    (setf (coracle-subscription-is-asking subscription) t)
    (let ((was-there (and coracle--connection (jsonrpc-running-p coracle--connection))))
      (coracle--open
       (lambda (failure)
         (if failure
             (coracle--subscribed subscription failure nil)
           (setf (coracle-subscription-has-begun subscription) t)
           (coracle-request
            'event/subscribe (funcall (coracle-subscription-parameters subscription))
            ;; At once, since events come right behind the answer.
            (lambda (failure answer) (coracle--subscribed subscription failure answer was-there)))))))))

(defun coracle--subscribed (subscription failure answer &optional was-there)
  "Take FAILURE or the ANSWER to SUBSCRIPTION's event/subscribe.
Of a session that WAS-THERE the end is not told: the next one may be there."
  (setf (coracle-subscription-is-asking subscription) nil)
  (cond
   ((not (memq subscription coracle--subscriptions))
    (coracle--unsubscribe (plist-get answer :subscription)))
   ((not failure)
    (setf (coracle-subscription-name subscription) (plist-get answer :subscription)
          (coracle-subscription-has-told subscription) nil)
    (funcall (coracle-subscription-on-answer subscription) nil answer))
   ((not coracle--is-stopping)
    (unless (or (coracle-subscription-has-told subscription)
                (and was-there (memq (plist-get failure :code) '(nil -1))))
      (setf (coracle-subscription-has-told subscription) t)
      (funcall (coracle-subscription-on-answer subscription) failure nil))
    ;; What the service has refused it would refuse again.
    (when (memq (plist-get failure :code) '(nil -1))
      (coracle--subscribe-later subscription)))))

(defun coracle--subscribe-later (subscription)
  "Ask for the events of SUBSCRIPTION after a pause.
What has never been there may be a mistake of the person's, who was told."
  (when (and (coracle-subscription-has-begun subscription)
             (not (coracle-subscription-timer subscription))
             (not coracle--is-stopping))
    (let ((pause (coracle-subscription-pause subscription)))
      (setf (coracle-subscription-pause subscription) (min (* 2 pause) coracle-longest-pause)
            (coracle-subscription-timer subscription)
            (run-at-time pause nil
                         (lambda ()
                           (setf (coracle-subscription-timer subscription) nil)
                           (coracle--subscribe subscription)))))))

(defun coracle--rest (subscription)
  "Do not ask for the events of SUBSCRIPTION by a timer."
  (when (coracle-subscription-timer subscription)
    (cancel-timer (coracle-subscription-timer subscription))
    (setf (coracle-subscription-timer subscription) nil)))

(defun coracle--subscriptions-notice (method params)
  "Take METHOD with PARAMS, where it is about what is followed."
  (dolist (subscription coracle--subscriptions)
    (pcase method
      ('event/occurred
       (when (equal (plist-get params :subscription) (coracle-subscription-name subscription))
         (setf (coracle-subscription-pause subscription) coracle-first-pause)
         (funcall (coracle-subscription-on-event subscription) params)))
      ('event/ended
       (when (equal (plist-get params :subscription) (coracle-subscription-name subscription))
         (setf (coracle-subscription-name subscription) nil)
         ;; Told of once, where the next one ends as well before anything has come.
         (when (= (coracle-subscription-pause subscription) coracle-first-pause)
           (let ((text (format "The events end here, and are asked for again: %s"
                               (plist-get (plist-get params :error) :message))))
             (funcall (coracle-subscription-on-answer subscription) `(:message ,text) nil)))
         (coracle--subscribe-later subscription)))
      ('begin
       (coracle--rest subscription)
       (coracle--subscribe subscription))
      ('exit
       ;; The next session has subscriptions of the same names.
       (setf (coracle-subscription-name subscription) nil
             (coracle-subscription-is-asking subscription) nil)
       (coracle--subscribe-later subscription))
      ('stop
       (coracle--rest subscription)))))

(provide 'coracle-subscription)
;;; coracle-subscription.el ends here
