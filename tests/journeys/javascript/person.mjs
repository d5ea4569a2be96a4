// A person at a browser without JavaScript: cookies, redirects, and the forms of the pages.

/** Signs in and answers the consent page, until a redirect leads to `redirectUri`. */
export class Person {
  #cookies = new Map()

  constructor(username, password, decision = 'allow') {
    this.typed = { username, password }
    this.decision = decision
  }

  /** The URL that the browser is sent to at last, which is the client's. */
  async visit(url, redirectUri) {
    let response = await this.#send(url)
    for (let step = 0; step < 12; step++) {
      const location = response.headers.get('location')
      if (location?.startsWith(redirectUri)) return new URL(location)
      if (location) response = await this.#send(new URL(location, response.url))
      else response = await this.#submit(response)
    }
    throw new Error(`No redirect to ${redirectUri}: still at ${response.url}`)
  }

  async #submit(response) {
    const page = await response.text()
    const [, action, form] = page.match(/<form method="post" action="([^"]*)"[^>]*>(.*?)<\/form>/s) ?? []
    if (!action) throw new Error(`${response.status} ${response.url}: ${page}`)
    const body = new URLSearchParams()
    for (const [input] of form.matchAll(/<input [^>]*>/g)) {
      const { name, value } = attributes(input)
      body.set(name, this.typed[name] ?? value ?? '')
    }
    if (form.includes('name="decision"')) body.set('decision', this.decision)
    return this.#send(new URL(action, response.url), { method: 'POST', body })
  }

  async #send(url, request = {}) {
    const cookie = [...this.#cookies].map((pair) => pair.join('=')).join('; ')
    const headers = cookie ? { cookie } : {}
    const response = await fetch(url, { ...request, headers, redirect: 'manual' })
    for (const line of response.headers.getSetCookie()) {
      const [, name, value] = line.match(/^([^=]+)="?([^;"]*)"?/)
      if (value) this.#cookies.set(name, value)
      else this.#cookies.delete(name)
    }
    return response
  }
}

function attributes(tag) {
  return Object.fromEntries([...tag.matchAll(/([\w-]+)="([^"]*)"/g)].map(([, name, value]) => [name, value]))
}
