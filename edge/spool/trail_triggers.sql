-- Made on the agent's connection alone: whatever it writes into these tables is told in the same transaction,
-- and what anybody else writes there is told by nobody, so edge ledger verify finds it.
-- A new table that staff or auditors would ask about gets its trigger here and its columns in trail.py.
CREATE TEMP TRIGGER outcome_was_told AFTER INSERT ON outcome BEGIN
    INSERT INTO trail (at, series_token, what, subject, detail,
                       record_table, record_row, record_fields, record_digest)
    VALUES (trail_now(), new.series_token, 'outcome', new.outcome_id,
            json_object('outcome', new.kind, 'reason', new.reason, 'revision', new.revision,
                        'instances', new.instances, 'degraded', new.degraded, 'model', new.model_name,
                        'version', new.model_version,
                        'chosen_series', nullif(new.chosen_series, ''),
                        'chosen_because', nullif(new.chosen_because, ''),
                        'reconstructions_not_chosen', nullif(new.not_chosen, ''),
                        'test', CASE WHEN new.test THEN 'yes' END),
            'outcome', new.outcome_id, {outcome_fields}, {outcome_digest});
END;

CREATE TEMP TRIGGER alert_was_told AFTER INSERT ON alert BEGIN
    INSERT INTO trail (at, series_token, what, subject, detail,
                       record_table, record_row, record_fields, record_digest)
    VALUES (trail_now(), trail_series(new.series_instance_uid), 'alert', new.alert_id,
            json_object('status', new.status, 'finding', json_extract(new.finding, '$.key'),
                        'urgency', json_extract(new.finding, '$.urgency'), 'revision', new.revision,
                        'degraded', new.degraded, 'route', new.route, 'demoted', new.demoted,
                        'test', CASE WHEN new.test THEN 'yes' END),
            'alert', new.number, {alert_fields}, {alert_digest});
END;

CREATE TEMP TRIGGER message_was_told AFTER INSERT ON outbox BEGIN
    INSERT INTO trail (at, series_token, what, subject, detail,
                       record_table, record_row, record_fields, record_digest)
    VALUES (trail_now(), trail_series({series_of_message}), 'message_queued', new.sequence,
            json_object('topic', new.topic, 'bytes', length(new.payload)),
            'outbox', new.sequence, {outbox_fields}, {outbox_digest});
END;

CREATE TEMP TRIGGER message_left AFTER UPDATE OF published_at ON outbox
WHEN old.published_at IS NULL AND new.published_at IS NOT NULL BEGIN
    INSERT INTO trail (at, series_token, what, subject, detail)
    VALUES (trail_now(), trail_series({series_of_message}), 'message_published', new.sequence,
            json_object('reason_code', new.reason_code, 'subscribers', new.subscribers,
                        'acknowledged_at', new.published_at));
END;

CREATE TEMP TRIGGER message_reached_nobody AFTER UPDATE OF subscribers ON outbox
WHEN new.published_at IS NULL AND new.subscribers IS 0 AND old.subscribers IS NOT 0 BEGIN
    INSERT INTO trail (at, series_token, what, subject, detail)
    VALUES (trail_now(), trail_series({series_of_message}), 'message_unheard', new.sequence,
            json_object('reason_code', new.reason_code));
END;

CREATE TEMP TRIGGER alert_went_on AFTER INSERT ON alert_step BEGIN
    INSERT INTO trail (at, series_token, what, subject, detail,
                       record_table, record_row, record_fields, record_digest)
    VALUES (trail_now(), trail_series({series_of_alert}), 'alert_step', new.alert_id,
            json_object('event', new.event, 'stage', new.stage, 'step', new.step, 'times', new.times,
                        'standing', (SELECT trail_digest({standing_fields}) FROM alert_lifecycle
                                     WHERE alert_id = new.alert_id)),
            'alert_step', new.number, {alert_step_fields}, {alert_step_digest});
END;

CREATE TEMP TRIGGER alert_was_answered AFTER INSERT ON acknowledgement BEGIN
    INSERT INTO trail (at, series_token, what, subject, detail,
                       record_table, record_row, record_fields, record_digest)
    VALUES (trail_now(), trail_series({series_of_alert}), 'alert_answered', new.alert_id,
            json_object('answer', new.answer, 'role', new.role, 'name', new.name, 'at', new.at),
            'acknowledgement', new.number, {acknowledgement_fields}, {acknowledgement_digest});
END;

CREATE TEMP TRIGGER page_was_told_elsewhere AFTER INSERT ON notice_attempt BEGIN
    INSERT INTO trail (at, series_token, what, subject, detail,
                       record_table, record_row, record_fields, record_digest)
    VALUES (trail_now(), trail_series({series_of_alert}), 'notice_attempt', new.alert_id,
            json_object('channel', new.channel, 'status', new.status, 'result', new.result,
                        'told', new.told),
            'notice_attempt', new.number, {notice_attempt_fields}, {notice_attempt_digest});
END;

CREATE TEMP TRIGGER trail_was_linked AFTER INSERT ON trail BEGIN
    UPDATE trail SET link = trail_link(
        (SELECT link FROM trail WHERE number = new.number - 1),
        new.number, new.at, new.series_token, new.what, new.subject, new.detail,
        new.record_table, new.record_row, new.record_fields, new.record_digest)
    WHERE number = new.number;
END;

CREATE TEMP TRIGGER removal_was_told AFTER INSERT ON removal BEGIN
    INSERT INTO trail (at, series_token, what, subject, detail)
    VALUES (trail_now(), trail_series(new.series_instance_uid), 'removal_requested', new.number,
            json_object('reason', new.reason));
END;

CREATE TEMP TRIGGER quiet_was_told AFTER INSERT ON quiet BEGIN
    INSERT INTO trail (at, series_token, what, subject, detail,
                       record_table, record_row, record_fields, record_digest)
    VALUES (trail_now(), '', 'quiet_' || new.event, new.kind,
            json_object('scanner', new.scanner, 'until', new.until, 'reason', new.reason,
                        'asked_by', new.asked_by),
            'quiet', new.number, {quiet_fields}, {quiet_digest});
END;
