"""simple-salesforce, written for the real service, against the simulator. Each test names the fact and its source."""

import os
import time
import unittest
from unittest import mock

import requests
from simple_salesforce import Salesforce, SalesforceMalformedRequest, SalesforceMoreThanOneRecord, SalesforceResourceNotFound
from simple_salesforce.exceptions import SalesforceExpiredSession

HOST = os.environ["SALESFORCE"]


def session():
    form = {"grant_type": "client_credentials", "client_id": "tandem", "client_secret": "tandem-secret"}
    answer = requests.post(HOST + "/services/oauth2/token", data=form).json()
    return Salesforce(instance_url=answer["instance_url"], session_id=answer["access_token"], version="64.0")


class SalesforceRest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.sf = session()

    def object(self, name):
        return getattr(self.sf, name)

    def test_crud(self):
        """Create answers id and success, update and delete 204, a deleted record 404. REST API guide, sObject Rows."""
        account = self.object("Account")
        made = account.create({"Name": "Conformance", "Phone": "1"})
        self.assertTrue(made["success"])
        self.assertEqual(len(made["id"]), 18)
        self.assertEqual(account.update(made["id"], {"Phone": "2"}), 204)
        self.assertEqual(account.get(made["id"])["Phone"], "2")
        self.assertEqual(account.delete(made["id"]), 204)
        with self.assertRaises(SalesforceResourceNotFound):
            account.get(made["id"])

    def test_upsert_by_external_id(self):
        """201 when made, 200 or 204 when changed. REST API guide, sObject Rows by External ID."""
        account = self.object("Account")
        self.assertEqual(account.upsert("Tandem_Card_Code__c/UPSERT1", {"Name": "Upserted"}), 201)
        self.assertIn(account.upsert("Tandem_Card_Code__c/UPSERT1", {"Name": "Again"}), (200, 204))
        self.assertEqual(account.get_by_custom_id("Tandem_Card_Code__c", "UPSERT1")["Name"], "Again")

    def test_errors_are_arrays_with_code_and_fields(self):
        """[{message, errorCode, fields}]. Shared facts, REST."""
        with self.assertRaises(SalesforceMalformedRequest) as caught:
            self.object("Account").create({"Phone": "1"})
        error = caught.exception.content[0]
        self.assertEqual(error["errorCode"], "REQUIRED_FIELD_MISSING")
        self.assertEqual(error["fields"], ["Name"])
        with self.assertRaises(SalesforceMalformedRequest) as caught:
            self.object("Account").create({"Name": "x", "Nope__c": 1})
        self.assertEqual(caught.exception.content[0]["errorCode"], "INVALID_FIELD")

    def test_query_pages(self):
        """2,000 rows a page, nextRecordsUrl, done. Shared facts, REST."""
        self.sf.headers["Sforce-Query-Options"] = "batchSize=200"
        try:
            first = self.sf.query("SELECT Id FROM PricebookEntry")
            rows = self.sf.query_all("SELECT Id FROM PricebookEntry")
        finally:
            del self.sf.headers["Sforce-Query-Options"]
        self.assertEqual((first["done"], len(first["records"])), (False, 200))
        self.assertTrue(rows["done"])
        self.assertGreater(rows["totalSize"], 1000)
        self.assertEqual(len(rows["records"]), rows["totalSize"])
        self.assertEqual(len({row["Id"] for row in rows["records"]}), rows["totalSize"])

    def test_query_relations(self):
        """Parent fields nest, children come as query results of their own. SOQL reference, Relationship Queries."""
        row = self.sf.query(
            "SELECT Name, Account.Name, Account.Owner.Name, (SELECT Quantity, Product2.ProductCode FROM OpportunityLineItems "
            "ORDER BY Quantity DESC LIMIT 1) FROM Opportunity WHERE HasOpportunityLineItem = true LIMIT 1"
        )["records"][0]
        self.assertTrue(row["Account"]["Name"])
        self.assertEqual(row["Account"]["attributes"]["type"], "Account")
        self.assertEqual(row["OpportunityLineItems"]["totalSize"], 1)
        self.assertTrue(row["OpportunityLineItems"]["records"][0]["Product2"]["ProductCode"])

    def test_aggregates(self):
        """GROUP BY gives AggregateResult rows with aliases; COUNT() only totalSize. SOQL reference, Aggregate Functions."""
        rows = self.sf.query(
            "SELECT StageName stage, COUNT(Id) n, SUM(Amount) FROM Opportunity GROUP BY StageName HAVING COUNT(Id) > 0 ORDER BY COUNT(Id) DESC"
        )["records"]
        self.assertEqual(rows[0]["attributes"]["type"], "AggregateResult")
        self.assertIn("expr0", rows[0])
        total = self.sf.query("SELECT COUNT() FROM Opportunity")
        self.assertEqual(total["totalSize"], sum(row["n"] for row in rows))
        self.assertEqual(total["records"], [])

    def test_semi_joins_and_date_literals(self):
        """IN (SELECT …), NOT IN, TODAY and LAST_N_DAYS:n. SOQL reference."""
        with_contacts = self.sf.query("SELECT COUNT() FROM Account WHERE Id IN (SELECT AccountId FROM Contact)")["totalSize"]
        without = self.sf.query("SELECT COUNT() FROM Account WHERE Id NOT IN (SELECT AccountId FROM Contact)")["totalSize"]
        every = self.sf.query("SELECT COUNT() FROM Account")["totalSize"]
        self.assertEqual(with_contacts + without, every)
        self.assertEqual(self.sf.query("SELECT COUNT() FROM Account WHERE CreatedDate = TODAY")["totalSize"], every)
        self.assertEqual(self.sf.query("SELECT COUNT() FROM Account WHERE CreatedDate < LAST_N_DAYS:3")["totalSize"], 0)

    def test_malformed_queries_are_refused(self):
        """MALFORMED_QUERY, INVALID_FIELD and INVALID_TYPE, each 400. Shared facts, REST."""
        for soql, code in [
            ("SELECT FROM Account", "MALFORMED_QUERY"),
            ("SELECT Id FROM Account WHERE Name = 'a' OR 1=1 --", "MALFORMED_QUERY"),
            ("SELECT Nope FROM Account", "INVALID_FIELD"),
            ("SELECT Id FROM Nope", "INVALID_TYPE"),
            ("SELECT Id FROM Opportunity WHERE CloseDate = '2026-01-01'", "INVALID_FIELD"),
            ("SELECT Id FROM Account WHERE Name = 5", "INVALID_FIELD"),
            ("SELECT Name, COUNT(Id) FROM Account", "MALFORMED_QUERY"),
        ]:
            with self.assertRaises(SalesforceMalformedRequest, msg=soql) as caught:
                self.sf.query(soql)
            self.assertEqual(caught.exception.content[0]["errorCode"], code, soql)

    def test_describe(self):
        """Fields with type, length, externalId; the key prefix. REST API guide, sObject Describe."""
        described = self.object("Account").describe()
        self.assertEqual(described["keyPrefix"], "001")
        fields = {field["name"]: field for field in described["fields"]}
        self.assertTrue(fields["Tandem_Card_Code__c"]["externalId"])
        self.assertTrue(fields["Tandem_Card_Code__c"]["unique"])
        self.assertEqual(fields["OwnerId"]["referenceTo"], ["User"])
        self.assertIn("Contacts", [child["relationshipName"] for child in described["childRelationships"]])
        every = self.sf.describe()
        self.assertIn("Opportunity", [one["name"] for one in every["sobjects"]])

    def test_composite_and_limits(self):
        """Composite refers to earlier answers by @{ref.id}; limits tell Max and Remaining. REST API guide."""
        body = {
            "allOrNone": True,
            "compositeRequest": [
                {"method": "POST", "url": "/services/data/v64.0/sobjects/Account", "referenceId": "a", "body": {"Name": "Composite"}},
                {"method": "POST", "url": "/services/data/v64.0/sobjects/Contact", "referenceId": "c", "body": {"LastName": "X", "AccountId": "@{a.id}"}},
            ],
        }
        answer = self.sf.restful("composite", method="POST", json=body)["compositeResponse"]
        self.assertEqual([row["httpStatusCode"] for row in answer], [201, 201])
        # All or nothing: the first is taken back when the second fails.
        body["compositeRequest"][1]["body"] = {"AccountId": "@{a.id}"}
        body["compositeRequest"][0]["body"]["Name"] = "Rolled back"
        answer = self.sf.restful("composite", method="POST", json=body)["compositeResponse"]
        self.assertEqual([row["httpStatusCode"] for row in answer], [400, 400])
        self.assertEqual(answer[0]["body"][0]["errorCode"], "PROCESSING_HALTED")
        self.assertEqual(self.sf.query("SELECT Id FROM Account WHERE Name = 'Rolled back'")["totalSize"], 0)
        limits = self.sf.limits()
        self.assertGreater(limits["DailyApiRequests"]["Max"], limits["DailyApiRequests"]["Remaining"])

    def test_composite_graph(self):
        """Each graph is all or nothing by itself. REST API guide, Composite Graph."""
        def node(reference, url, body):
            return {"method": "POST", "url": "/services/data/v64.0/sobjects/" + url, "referenceId": reference, "body": body}

        graphs = {"graphs": [
            {"graphId": "good", "compositeRequest": [node("a", "Account", {"Name": "Graph"}), node("c", "Contact", {"LastName": "G", "AccountId": "@{a.id}"})]},
            {"graphId": "bad", "compositeRequest": [node("a", "Account", {"Name": "Bad graph"}), node("c", "Contact", {})]},
        ]}
        answer = self.sf.restful("composite/graph", method="POST", json=graphs)["graphs"]
        self.assertEqual([graph["isSuccessful"] for graph in answer], [True, False])
        self.assertEqual(self.sf.query("SELECT Id FROM Account WHERE Name = 'Bad graph'")["totalSize"], 0)

    def test_collections(self):
        """200 records a call, answers in order, HTTP 200 also when rows failed. REST API guide, sObject Collections."""
        rows = [{"attributes": {"type": "Account"}, "Name": f"Collection {n}"} for n in range(3)]
        del rows[1]["Name"]
        answer = self.sf.restful("composite/sobjects", method="POST", json={"allOrNone": False, "records": rows})
        self.assertEqual([row["success"] for row in answer], [True, False, True])
        answer = self.sf.restful("composite/sobjects", method="POST", json={"allOrNone": True, "records": rows})
        self.assertEqual([row["success"] for row in answer], [False, False, False])
        self.assertEqual(answer[0]["errors"][0]["statusCode"], "ALL_OR_NONE_OPERATION_ROLLED_BACK")
        with self.assertRaises(SalesforceMalformedRequest):
            self.sf.restful("composite/sobjects", method="POST", json={"records": rows * 70})

    def test_bulk_2(self):
        """Ingest and query jobs with CSV, polled to their end. Bulk API 2.0 guide."""
        bulk = self.sf.bulk2.Account
        records = [{"Name": f"Bulk {n}", "Tandem_Card_Code__c": f"B{n:05}"} for n in range(450)]
        records.append({"Name": "", "Tandem_Card_Code__c": "B99999"})
        results = bulk.insert(records=records)
        self.assertEqual(sum(job["numberRecordsProcessed"] for job in results), 451)
        self.assertEqual(sum(job["numberRecordsFailed"] for job in results), 1)
        failed = bulk.get_failed_records(results[0]["job_id"])
        self.assertIn("REQUIRED_FIELD_MISSING", failed)
        results = bulk.upsert(records=[{"Name": "Bulk changed", "Tandem_Card_Code__c": "B00001"}], external_id_field="Tandem_Card_Code__c")
        self.assertEqual(results[0]["numberRecordsFailed"], 0)
        pages = list(bulk.query("SELECT Id, Name FROM Account WHERE Name LIKE 'Bulk%'", max_records=200))
        self.assertEqual(len(pages), 3)
        self.assertIn("Bulk changed", "".join(pages))

    def test_the_first_bulk_api(self):
        """Jobs of batches below /services/async, session in a header of its own, moments in milliseconds. Bulk API guide."""
        # It looks at a job every five seconds.
        pause = time.sleep
        shorter = mock.patch("simple_salesforce.bulk.sleep", lambda _: pause(0.05))
        shorter.start()
        self.addCleanup(shorter.stop)
        bulk = self.sf.bulk.Account
        rows = [{"Name": f"Async {n}", "Tandem_Card_Code__c": f"AS{n:04}"} for n in range(250)] + [{"Phone": "1"}]
        results = bulk.insert(rows, batch_size=200)
        self.assertEqual([row["success"] for row in results], [True] * 250 + [False])
        self.assertEqual(results[-1]["errors"][0]["statusCode"], "REQUIRED_FIELD_MISSING")
        again = bulk.upsert([{"Tandem_Card_Code__c": "AS0001", "Name": "Async changed"}], "Tandem_Card_Code__c")
        self.assertEqual((again[0]["success"], again[0]["created"]), (True, False))
        found = bulk.query("SELECT Id, Name, CreatedDate FROM Account WHERE Name LIKE 'Async%'")
        self.assertEqual(len(found), 250)
        self.assertIsInstance(found[0]["CreatedDate"], int)
        gone = bulk.delete([{"Id": row["Id"]} for row in found])
        self.assertTrue(all(row["success"] for row in gone))
        self.assertEqual(len(bulk.query("SELECT Id FROM Account WHERE Name LIKE 'Async%'")), 0)
        self.assertEqual(len(bulk.query_all("SELECT Id FROM Account WHERE Name LIKE 'Async%'")), 250)
        left = self.sf.limits()["DailyBulkApiBatches"]
        self.assertLess(left["Remaining"], left["Max"])

    def test_three_hundred_for_several(self):
        """300 Multiple Choices when an external id is not unique. Shared facts; restforce issue 243."""
        field = {"name": "Legacy_Id__c", "type": "string", "length": 40, "externalId": True}
        self.assertEqual(requests.post(HOST + "/admin/fields/Account", json=field).status_code, 201)
        account = self.object("Account")
        for _ in range(2):
            account.create({"Name": "Twin", "Legacy_Id__c": "L1"})
        with self.assertRaises(SalesforceMoreThanOneRecord) as caught:
            account.upsert("Legacy_Id__c/L1", {"Name": "Which?"})
        self.assertEqual(caught.exception.status, 300)
        self.assertEqual(len(caught.exception.content), 2)

    def test_session_expires(self):
        """401 INVALID_SESSION_ID. Shared facts, Sign-in."""
        other = session()
        requests.post(HOST + "/admin/expire-tokens")
        with self.assertRaises(SalesforceExpiredSession):
            other.query("SELECT Id FROM Account")
        type(self).sf = session()

    def test_queryall_sees_the_recycle_bin_and_merges(self):
        """A merge's loser has IsDeleted and MasterRecordId in queryAll. Shared facts, REST."""
        account = self.object("Account")
        keep, lose = account.create({"Name": "Keep"})["id"], account.create({"Name": "Lose"})["id"]
        self.object("Contact").create({"LastName": "Moves", "AccountId": lose})
        self.assertEqual(requests.post(f"{HOST}/admin/merge/Account/{keep}/{lose}").status_code, 204)
        soql = f"SELECT Id, IsDeleted, MasterRecordId FROM Account WHERE Id = '{lose}'"
        self.assertEqual(self.sf.query(soql)["totalSize"], 0)
        row = self.sf.query(soql, include_deleted=True)["records"][0]
        self.assertEqual((row["IsDeleted"], row["MasterRecordId"]), (True, keep))
        moved = self.sf.query("SELECT AccountId FROM Contact WHERE LastName = 'Moves'")["records"][0]
        self.assertEqual(moved["AccountId"], keep)
        with self.assertRaises(SalesforceResourceNotFound) as caught:
            account.update(lose, {"Name": "x"})
        self.assertEqual(caught.exception.content[0]["errorCode"], "ENTITY_IS_DELETED")


if __name__ == "__main__":
    unittest.main(verbosity=2)
