trigger TandemCase on Case(after insert, after update) {
    TandemChangePublisher.tell(Trigger.operationType, Trigger.old, Trigger.new);
}
