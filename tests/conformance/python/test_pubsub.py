"""The Pub/Sub API as the protocol's own Python sample speaks to it: stubs generated from the published protocol, payloads read and
written with Apache's `avro`, a semaphore for flow control. Platform events and change events."""

import io
import os
import sys
import tempfile
import threading
import unittest
from importlib import resources
from pathlib import Path

import avro.io
import avro.schema
import grpc
import requests
from grpc_tools import protoc

HOST, PUBSUB, AUTHORITY = os.environ["SALESFORCE"], os.environ["PUBSUB"], os.environ["REQUESTS_CA_BUNDLE"]
PROTOCOL = Path(os.environ["PROTOCOL"])
generated = tempfile.TemporaryDirectory()
builtin = str(resources.files("grpc_tools") / "_proto")
assert protoc.main(["", f"-I{PROTOCOL.parent}", f"-I{builtin}", f"--python_out={generated.name}", f"--grpc_python_out={generated.name}", PROTOCOL.name]) == 0
sys.path.insert(0, generated.name)
import pubsub_api_pb2 as pb2  # noqa: E402
import pubsub_api_pb2_grpc as pb2_grpc  # noqa: E402

TOPIC = "/event/Tandem_Change__e"
CHANGES = "/data/AccountChangeEvent"


def bits(schema, bitmap):
    """Names of a change event's changed fields: bit n, counted from the right, is the n-th field. CDC guide."""
    number = int(bitmap, 16)
    return [field.name for place, field in enumerate(schema.fields) if number >> place & 1]


class Sample(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        form = {"grant_type": "client_credentials", "client_id": "tandem", "client_secret": "tandem-secret"}
        answer = requests.post(HOST + "/services/oauth2/token", data=form).json()
        cls.token = answer["access_token"]
        org = answer["id"].split("/")[-2]
        cls.metadata = (("accesstoken", cls.token), ("instanceurl", answer["instance_url"]), ("tenantid", org))
        credentials = grpc.ssl_channel_credentials(Path(AUTHORITY).read_bytes())
        cls.channel = grpc.secure_channel(PUBSUB, credentials, options=(("grpc.ssl_target_name_override", "localhost"),))
        cls.stub = pb2_grpc.PubSubStub(cls.channel)
        cls.schemas = {}

    @classmethod
    def tearDownClass(cls):
        cls.channel.close()
        generated.cleanup()

    def schema(self, schema_id):
        if schema_id not in self.schemas:
            info = self.stub.GetSchema(pb2.SchemaRequest(schema_id=schema_id), metadata=self.metadata)
            self.schemas[schema_id] = avro.schema.parse(info.schema_json)
        return self.schemas[schema_id]

    def decode(self, event):
        schema = self.schema(event.schema_id)
        return schema, avro.io.DatumReader(schema).read(avro.io.BinaryDecoder(io.BytesIO(event.payload)))

    def follow(self, topic, most, metadata=None, **position):
        """As the sample does: one request now, another whenever all that was asked for has come."""
        semaphore = threading.Semaphore(1)
        over = threading.Event()

        def requests_of():
            first = True
            while not over.is_set():
                semaphore.acquire()
                if over.is_set():
                    return
                start = position if first else {}
                first = False
                yield pb2.FetchRequest(topic_name=topic, num_requested=1, **start)

        seen = []
        stream = self.stub.Subscribe(requests_of(), metadata=metadata or self.metadata)
        try:
            for response in stream:
                for event in response.events:
                    seen.append(event)
                if len(seen) >= most:
                    return seen
                if response.pending_num_requested == 0:
                    semaphore.release()
        finally:
            over.set()
            semaphore.release()
            stream.cancel()
        return seen

    def publish(self, *records):
        topic = self.stub.GetTopic(pb2.TopicRequest(topic_name=TOPIC), metadata=self.metadata)
        schema = self.schema(topic.schema_id)
        events = []
        for number, record in enumerate(records):
            buffer = io.BytesIO()
            whole = {field.name: None for field in schema.fields} | {"CreatedDate": 0, "CreatedById": "0055g00000ABCDEAA4"} | record
            avro.io.DatumWriter(schema).write(whole, avro.io.BinaryEncoder(buffer))
            events.append(pb2.ProducerEvent(id=str(number), schema_id=topic.schema_id, payload=buffer.getvalue()))
        answer = self.stub.Publish(pb2.PublishRequest(topic_name=TOPIC, events=events), metadata=self.metadata)
        return [result.replay_id for result in answer.results]

    def test_what_is_published_comes_in_order_and_again_from_a_replay_id(self):
        """EARLIEST and CUSTOM, one event asked for at a time. Pub/Sub API guide, Subscribe and Publish."""
        before = self.publish({"Record_Id__c": "006000000000000"})[0]
        given = self.publish(*({"Record_Id__c": f"006{n:012}", "Object__c": "Opportunity"} for n in range(3)))
        events = self.follow(TOPIC, 3, replay_preset=pb2.ReplayPreset.CUSTOM, replay_id=before)
        self.assertEqual([event.replay_id for event in events], given)
        records = [self.decode(event.event)[1]["Record_Id__c"] for event in events]
        self.assertEqual(records, [f"006{n:012}" for n in range(3)])
        first = self.follow(TOPIC, 1, replay_preset=pb2.ReplayPreset.EARLIEST)[0]
        self.assertLessEqual(first.replay_id, before)

    def test_change_events_tell_which_fields_changed(self):
        """CREATE with all fields, UPDATE with a bitmap. Change Data Capture guide."""
        made = requests.post(HOST + "/admin/create/Account", json={"Name": "Captured", "Phone": "1"}).json()["id"]
        requests.post(f"{HOST}/admin/update/Account/{made}", json={"Phone": "2", "Website": "https://a.example"})
        events = self.follow(CHANGES, 2, replay_preset=pb2.ReplayPreset.EARLIEST)
        (_, create), (schema, update) = (self.decode(event.event) for event in events[-2:])
        header = create["ChangeEventHeader"]
        self.assertEqual((header["changeType"], header["recordIds"], create["Name"]), ("CREATE", [made], "Captured"))
        header = update["ChangeEventHeader"]
        changed = bits(schema, header["changedFields"][0])
        self.assertEqual((header["changeType"], set(changed)), ("UPDATE", {"Phone", "Website", "LastModifiedDate"}))
        self.assertEqual((update["Phone"], update["Name"]), ("2", None))

    def refused(self, topic, metadata=None, **position):
        with self.assertRaises(grpc.RpcError) as caught:
            self.follow(topic, 1, metadata, **position)
        code = dict(caught.exception.trailing_metadata() or ()).get("error-code", "")
        return caught.exception.code(), code.removeprefix("sfdc.platform.eventbus.grpc.")

    def test_both_errors_of_a_replay_id(self):
        """Of another org: corrupted; of before 72 hours: validation.failed. A stream without a session: UNAUTHENTICATED. Shared facts."""
        foreign = {"replay_preset": pb2.ReplayPreset.CUSTOM, "replay_id": b"\xff" * 8}
        self.assertEqual(self.refused(TOPIC, **foreign), (grpc.StatusCode.INVALID_ARGUMENT, "subscription.fetch.replayid.corrupted"))
        old = self.publish({"Record_Id__c": "006000000000001"}, {"Record_Id__c": "006000000000002"})[0]
        requests.put(HOST + "/admin/clock", json={"offset_ms": 80 * 3600 * 1000})
        try:
            self.setUpClass()
            past = {"replay_preset": pb2.ReplayPreset.CUSTOM, "replay_id": old}
            expected = (grpc.StatusCode.INVALID_ARGUMENT, "subscription.fetch.replayid.validation.failed")
            self.assertEqual(self.refused(TOPIC, **past), expected)
        finally:
            requests.put(HOST + "/admin/clock", json={"offset_ms": 0})
        stranger = (("accesstoken", "nobody"), *self.metadata[1:])
        self.assertEqual(self.refused(TOPIC, stranger)[0], grpc.StatusCode.UNAUTHENTICATED)

    def test_a_standing_stream_ends_with_a_sandbox_refresh_and_its_replay_id_is_then_corrupted(self):
        """Sessions, streams and replay ids are those of an org that is no more. Shared facts."""
        last = self.publish({"Record_Id__c": "006000000000003"})[0]
        ended = []

        def wait():
            try:
                self.follow(TOPIC, 1, replay_preset=pb2.ReplayPreset.LATEST)
            except grpc.RpcError as error:
                ended.append(error.code())

        streams = lambda: requests.get(HOST + "/admin/log").json()["calls"].get(f"SUBSCRIBE {TOPIC}", 0)
        before = streams()
        waiting = threading.Thread(target=wait)
        waiting.start()
        while streams() == before:
            pass
        requests.post(HOST + "/admin/refresh")
        waiting.join(timeout=20)
        self.assertEqual(ended, [grpc.StatusCode.UNAUTHENTICATED])
        self.setUpClass()
        past = {"replay_preset": pb2.ReplayPreset.CUSTOM, "replay_id": last}
        self.assertEqual(self.refused(TOPIC, **past)[1], "subscription.fetch.replayid.corrupted")


if __name__ == "__main__":
    unittest.main(verbosity=2)
