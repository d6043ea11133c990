trigger TandemContact on Contact(after insert, after update, after delete, after undelete) {
    TandemChangePublisher.tell(Trigger.operationType, Trigger.old, Trigger.new);
}
