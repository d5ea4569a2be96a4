"""The matrix of rights on the page of an audience: who may do what there."""

import gzip
import re
from html import unescape
from urllib.parse import quote

import httpx

from issuer.roles import Assignment
from tests.builders import URL, Deployment
from tests.inspection.inspected import inspected
from tests.web.browsing import Browser
from tests.web.console.conftest import SignedIn

PAGE = "/console/audiences/my-os"


def matrix(browser: Browser, path: str = PAGE, **query: str) -> dict[str, list[str]]:
    """The words in the cells of each row, by its subject; of the columns under an empty name."""
    html = browser.get(path, **query).response.text
    table = html.partition('class="table matrix"')[2].partition("</table>")[0]
    head, _, body = table.partition("<tbody>")
    rows = {"": [_text(cell) for cell in re.findall(r"<th [^>]*><span>(.*?)</span>", head)]}
    for row in re.findall(r"<tr>(.*?)</tr>", body, re.DOTALL):
        name, *cells = re.findall(r"<t[hd](?! class).*?>(.*?)</t[hd]>", row, re.DOTALL)
        rows[_text(name).split()[0]] = [_text(each) for each in cells]
    return rows


def _text(html: str) -> str:
    return unescape(re.sub("<.*?>", "", html)).strip()


def assign_here(deployment: Deployment, principal: str, role: str, at: str = "my-os") -> None:
    with deployment.changing() as work:
        work.assignments.assign(principal, Assignment(role=role, audience=at))


def test_each_cell_says_what_a_subject_may_do(deployment: Deployment, admin: Browser):
    deployment.role("web-runner", ["agents:web:run", "agents:*:read", "sessions:read"])
    deployment.role("boss", ["agent_os:admin"])
    deployment.client("ci-bot", scopes=["teams:run", "teams:delete"])
    deployment.user("alice", ["web-runner"])
    deployment.user("root", ["boss"])
    deployment.user("unassigned")
    assert matrix(admin) == {
        "": ["every agent", "web", "every team", "every workflow", "sessions"],
        "admin": ["–"] * 5,
        "ci-bot": ["–", "–", "run + delete", "–", "–"],
        "alice": ["read", "run + read", "–", "–", "read"],
        "root": ["all"] * 5,
    }


def test_a_column_that_a_wider_one_covers_for_everybody_is_left_out(
    deployment: Deployment, admin: Browser
):
    deployment.role("narrow", ["agents:web:run", "agents:mail:run", "agents:run"])
    deployment.client("ci-bot", ["narrow"], scopes=["teams:desk:read", "agent_os:admin"])
    assert matrix(admin)[""] == ["every agent", "every team", "every workflow"]
    assert "3 more say the same as a wider column." in admin.get(PAGE).text
    assert matrix(admin, resource="agents:web")[""] == ["every agent", "web"]
    deployment.client("other", scopes=["agents:web:run"])
    rows = matrix(admin)
    assert rows[""] == ["every agent", "web", "every team", "every workflow"]
    assert rows["other"] == ["–", "run", "–", "–"]
    assert "2 more say the same as a wider column." in admin.get(PAGE).text


def test_agents_have_the_names_that_the_last_inspection_found(
    deployment: Deployment, admin: Browser
):
    deployment.client("ci-bot", scopes=["agents:web:run", "agents:mail:run"])
    inspected(deployment, agents={"web": "Web search"})
    assert matrix(admin)[""][:3] == ["every agent", "mail", "Web search"]


def test_the_subjects_are_counted(deployment: Deployment, admin: Browser):
    deployment.role("runner", ["agents:run"])
    deployment.client("ci-bot")
    member = deployment.user("alice", password=None)
    assign_here(deployment, deployment.user("bob", ["runner"], password=None), "runner")
    deployment.group("Night", [member], ["runner"])
    deployment.user("carol", password=None)
    text = admin.get(PAGE).text
    assert "Rights 1 client, 3 users" in text  # alice, bob and admin


def test_only_what_applies_at_this_audience_counts(deployment: Deployment, admin: Browser):
    deployment.audience("other-os")
    deployment.role("runner", ["agents:run"])
    deployment.role("keeper", ["issuer:keys:read"])
    deployment.client("elsewhere", ["runner"], audiences=["other-os"])
    deployment.client("off", ["runner"], disabled=True)
    assign_here(deployment, deployment.user("alice"), "runner")
    assign_here(deployment, deployment.user("bob"), "runner", at="other-os")
    deployment.user("carol", ["keeper"])
    rows = matrix(admin)
    assert rows["alice"][0] == "run"
    assert rows["off"][0] == "–"
    assert rows["carol"] == ["–"] * 3
    assert not {"bob", "elsewhere"} & rows.keys()


def test_each_cell_asks_explain_why(deployment: Deployment, admin: Browser):
    deployment.role("runner", ["agents:web:run", "sessions:read"])
    deployment.client("ci-bot", ["runner"])
    html = admin.get(PAGE).response.text
    links = [unescape(each) for each in re.findall(r'href="(/console/explain\?.*?)"', html)]
    answers = [admin.get(link) for link in links]
    assert all(each.status == httpx.codes.OK for each in answers)
    assert len(answers) == 2 * 5  # ci-bot and admin
    assert "Refused : POST /agents/*/runs at my-os" in answers[0].text
    assert "Allowed : POST /agents/web/runs at my-os" in answers[1].text
    assert "Allowed : GET /sessions at my-os" in answers[4].text


def test_the_matrix_agrees_with_explain(deployment: Deployment, admin: Browser):
    deployment.role("mixed", ["agents:web:read", "teams:*:run", "system:read", "memories:delete"])
    deployment.client("ci-bot", ["mixed"], scopes=["agents:run", "workflows:daily:run"])
    deployment.user("alice", ["mixed"])
    html = admin.get(PAGE).response.text
    cells = re.findall(r'<td><a[^>]*href="(/console/explain\?.*?)">(.*?)</a>', html)
    assert len(cells) == 3 * len(matrix(admin)[""])  # ci-bot, alice and admin
    for link, words in cells:
        is_allowed = "Allowed" in admin.get(unescape(link)).text
        assert is_allowed == (words != "–"), (link, words)


def test_subjects_are_filtered_by_how_they_begin_and_by_kind(
    deployment: Deployment, admin: Browser
):
    deployment.role("runner", ["agents:run"])
    deployment.client("CI-bot", ["runner"])
    deployment.client("other")
    user_id = deployment.user("Cilia", ["runner"])
    deployment.user("cindy")
    assert {*matrix(admin, subject="ci")} == {"", "CI-bot", "Cilia"}
    assert {*matrix(admin, subject=user_id)} == {"", "Cilia"}
    assert {*matrix(admin, kind="clients")} == {"", "CI-bot", "other"}
    assert "other" not in matrix(admin, kind="users")
    assert "Nobody matches." in admin.get(PAGE, subject="zzz").text


def test_a_resource_is_chosen_with_all_that_covers_it(deployment: Deployment, admin: Browser):
    deployment.role("runner", ["agents:web:run", "agents:other:run", "sessions:read"])
    deployment.user("alice", ["runner"])
    assert matrix(admin, resource="agents")[""] == ["every agent", "other", "web"]
    assert matrix(admin, resource="agents:web")[""] == ["every agent", "web"]
    assert matrix(admin, resource="agents:new")["alice"] == ["–", "–"]
    assert matrix(admin, resource="traces") == {"": ["traces"], "admin": ["–"], "alice": ["–"]}
    for wrong in ("a b", "a:b:c", "issuer", ":", "a::"):
        page = admin.get(PAGE, resource=wrong)
        assert page.status == httpx.codes.BAD_REQUEST, wrong
        assert "Name a resource such as agents" in page.text


def test_many_subjects_and_columns_come_in_parts(deployment: Deployment, admin: Browser):
    deployment.role("many", [f"agents:a{number:02}:run" for number in range(20)])
    for number in range(52):
        deployment.client(f"bot-{number:02}", ["many"])
    deployment.user("zoe", ["many"])
    first = admin.get(PAGE, kind="clients", resource="agents").response
    assert len(gzip.compress(first.content)) < 30_000
    rows = matrix(admin)
    assert len(rows) == 51
    assert len(rows[""]) == 12
    url = link_to(admin, PAGE, "Next page")
    assert {"bot-50", "bot-51", "zoe"} < {*matrix(admin, url)}
    assert "bot-49" not in matrix(admin, url)
    more = link_to(admin, url, "More columns")
    columns = matrix(admin, more)
    agents = [f"a{number:02}" for number in range(11, 20)]
    assert columns[""] == [*agents, "every team", "every workflow"]
    assert "bot-51" in columns
    back = link_to(admin, more, "First columns")
    assert matrix(admin, back) == matrix(admin, url)
    assert matrix(admin, link_to(admin, url, "First page")) == rows
    assert "The first 50 found." in admin.get(PAGE, subject="bot").text


def link_to(browser: Browser, path: str, text: str) -> str:
    html = browser.get(path).response.text
    found = re.search(rf'href="([^"]*)"[^>]*>{text}<', html)
    assert found, text
    return unescape(found[1]).partition("#")[0]


def test_users_come_in_parts_after_the_clients(deployment: Deployment, admin: Browser):
    deployment.role("runner", ["agents:run"])
    deployment.client("ci-bot")
    for number in range(60):
        deployment.user(f"user-{number:02}", ["runner"], password=None)
    first, second = matrix(admin), matrix(admin, link_to(admin, PAGE, "Next page"))
    assert "ci-bot" in first
    assert len(first) == 51
    names = {f"user-{number:02}" for number in range(60)}
    assert names < {*first, *second}
    assert not {*first} & {*second} - {""}


def test_a_wrong_place_in_the_url_is_the_beginning(deployment: Deployment, admin: Browser):
    deployment.client("ci-bot")
    for query in ({"after": "x"}, {"column": "99"}, {"column": "²"}, {"column": "-1"}):
        assert "ci-bot" in matrix(admin, **query)


def test_subjects_are_shown_to_those_who_may_read_them(deployment: Deployment, signed_in: SignedIn):
    deployment.role("runner", ["agents:run"])
    deployment.client("ci-bot", ["runner"])
    deployment.user("alice", ["runner"])
    read = "issuer:audiences:read"
    page = signed_in(read, "issuer:clients:read", username="one").get(PAGE)
    assert "ci-bot" in page.text
    assert "alice" not in page.text
    assert "Its users are not shown: that needs issuer:users:read" in page.text
    neither = signed_in(read, username="two").get(PAGE, subject="ali", kind="users")
    for name in ("alice", "ci-bot", "Filter"):
        assert name not in neither.text


def test_the_matrix_of_the_issuer_itself_has_its_scopes(deployment: Deployment, admin: Browser):
    deployment.role("keeper", ["issuer:keys:write", "issuer:audit:read", "agents:run"])
    deployment.client("watch", ["keeper"], audiences=[URL], scopes=["issuer:introspect"])
    path = f"/console/audiences/{quote(URL, safe='')}"
    rows = matrix(admin, path)
    columns = dict(zip(rows[""], rows["watch"], strict=True))
    assert columns["keys"] == "read + write"
    assert columns["audit"] == "read"
    assert columns["tokens"] == "introspect"
    assert columns["roles"] == "–"
    assert {*rows["admin"]} == {"all"}
    html = admin.get(path).response.text
    for link in re.findall(r'<td><a[^>]*href="(/console/explain\?.*?)">', html):
        assert admin.get(unescape(link)).status == httpx.codes.OK


def test_an_audience_that_nobody_uses_says_the_next_step(deployment: Deployment, browser: Browser):
    role = deployment.role("boss", ["issuer:admin"])
    assign_here(deployment, deployment.user("operator"), role, at=URL)
    browser.sign_in("operator")
    page = browser.get(PAGE)
    assert "Nobody may do anything there yet." in page.text
    assert 'href="/console/clients?new=service"' in page.response.text
    assert "Filter" not in page.text


def test_each_inspected_agent_has_a_column_and_those_that_nobody_may_use_are_folded(
    deployment: Deployment, admin: Browser
):
    deployment.client("ci-bot", scopes=["agents:run", "teams:desk:read"])
    agents = {"web": "Web search", "mail": "mail"}
    teams = {"desk": "Desk", "night": "Night shift"}
    inspected(deployment, agents=agents, teams=teams, workflows={"daily": "Daily"})
    rows = matrix(admin)
    every = ["every agent", "mail", "Web search", "every team", "Desk", "every workflow"]
    assert rows[""] == every
    assert rows["ci-bot"] == ["run", "run", "run", "–", "read", "–"]
    text = admin.get(PAGE).text
    assert "wider column" not in text
    assert "and 2 that nobody may use teams: Night shift night workflows: Daily daily" in text
    assert matrix(admin, resource="teams:night")[""] == ["every team", "Night shift"]
    assert "and 1 that nobody on this page may use" in admin.get(PAGE, resource="teams").text
    deployment.user("root", [deployment.role("boss", ["agent_os:admin"])])
    assert len(matrix(admin)[""]) == len(every) + 2
    assert "nobody may use" not in admin.get(PAGE).text


def test_many_agents_that_nobody_may_use_are_counted(deployment: Deployment, admin: Browser):
    deployment.client("ci-bot", scopes=["agents:a7:run"])
    inspected(deployment, agents={f"a{n}": f"Agent {n}" for n in range(1_000)})
    page = admin.get(PAGE)
    assert matrix(admin)[""] == ["every agent", "Agent 7", "every team", "every workflow"]
    assert "and 999 that nobody may use" in page.text
    assert "and 799 more" in page.text
    assert len(gzip.compress(page.response.content)) < 30_000
