// Logging in again inside a page: when the session ended, a dialog asks, and what was typed is sent afterwards.
// Before a form is sent the server is asked whether the session lives; scripts get a 401 and ask again later.
"use strict";

(() => {
  const STATE = "/admin/login/state/";
  const AGAIN = "/admin/login/again/";
  const plainFetch = window.fetch.bind(window);
  let dialog = null; // one at a time: everything that waits, waits for the same answer
  let known = ""; // who opened this page
  let declined = false; // the person said "not now": what asks by itself does not open the dialog again

  const visitors = () => document.body.classList.contains("login");

  async function state() {
    const answer = await plainFetch(STATE, { headers: { Accept: "application/json" }, cache: "no-store" });
    if (!answer.ok) throw new Error(String(answer.status));
    return answer.json();
  }

  function renew(csrf) {
    for (const field of document.querySelectorAll("input[name=csrfmiddlewaretoken]")) field.value = csrf;
  }

  function build() {
    const made = document.createElement("dialog");
    made.className = "ws-signing";
    made.setAttribute("aria-labelledby", "signing-title");
    made.innerHTML = `<form method="dialog" class="ws-card" novalidate>
      <h2 id="signing-title">Log in again</h2>
      <p class="ws-question">Your session ended. What you typed is still here, and is sent once you are logged in.</p>
      <p class="ws-field-error" role="alert" hidden></p>
      <label data-step="password">E-mail address<input class="ws-input" name="email" type="email" autocomplete="username"></label>
      <label data-step="password">Password<input class="ws-input" name="password" type="password" autocomplete="current-password"></label>
      <label data-step="code" hidden>Code of your app, or a recovery code<input class="ws-input" name="code" autocomplete="one-time-code" autocapitalize="off" spellcheck="false"></label>
      <div class="ws-buttons"><button type="submit" class="ws-button ws-button-primary">Log in and send</button><button type="button" class="ws-button ws-button-plain" data-signing-cancel>Not now</button></div>
    </form>`;
    document.body.append(made);
    return made;
  }

  // Resolves to the new CSRF token, or to null if the person does not want to.
  function ask() {
    if (dialog) return dialog.answer;
    const box = build();
    const form = box.querySelector("form");
    const error = box.querySelector("[role=alert]");
    const answer = new Promise((resolve) => {
      const close = (result) => {
        box.close();
        box.remove();
        dialog = null;
        declined = result === null;
        resolve(result);
      };
      const say = (sentence) => {
        error.textContent = sentence;
        error.hidden = !sentence;
      };
      const show = (step) => {
        for (const label of box.querySelectorAll("[data-step]")) label.hidden = label.dataset.step !== step;
        box.querySelector(`[data-step=${step}] input`).focus();
      };
      box.addEventListener("cancel", () => close(null));
      box.querySelector("[data-signing-cancel]").addEventListener("click", () => close(null));
      form.addEventListener("submit", async (event) => {
        event.preventDefault();
        say("");
        try {
          const { csrf } = await state();
          const sent = await plainFetch(AGAIN, {
            method: "POST",
            body: new URLSearchParams(new FormData(form)),
            headers: { Accept: "application/json", "X-CSRFToken": csrf },
          });
          const told = await sent.json();
          form.elements.code.value = "";
          if (!told.signed_in) {
            say(told.sentence ?? "");
            if (told.wants_code) show("code");
            else if (told.begin) show("password");
            return;
          }
          renew(told.csrf);
          if (known && told.person !== known) {
            say(`You are logged in as ${told.person} now, and this page was opened by ${known}. Copy what you typed and load the page anew.`);
            return;
          }
          close(told.csrf);
        } catch {
          say("The server cannot be reached. Please try again.");
        }
      });
    });
    if (known) form.elements.email.value = known;
    box.showModal();
    form.elements[known ? "password" : "email"].focus();
    dialog = { answer };
    return answer;
  }

  // --- forms ----------------------------------------------------------------------------------------

  const asked = new WeakSet();

  document.addEventListener(
    "submit",
    (event) => {
      const form = event.target;
      // By attribute: a field called `action`, as lists have one, stands before the form's own property.
      const told = (name) => form.getAttribute(name) ?? "";
      if (told("method").toLowerCase() !== "post" || visitors() || asked.has(form) || form.hasAttribute("hx-post")) return;
      if (new URL(told("action"), location.href).origin !== location.origin) return;
      event.preventDefault();
      event.stopImmediatePropagation();
      go(form, event.submitter);
    },
    true,
  );

  async function go(form, submitter) {
    try {
      const told = await state();
      if (told.signed_in) renew(told.csrf);
      else if ((await ask()) === null) return;
    } catch {
      // Without an answer the form goes its ordinary way: a page of the server says what is wrong.
    }
    asked.add(form);
    try {
      if (submitter?.isConnected) form.requestSubmit(submitter);
      else form.requestSubmit();
    } finally {
      asked.delete(form);
    }
  }

  // --- scripts --------------------------------------------------------------------------------------

  window.fetch = async (resource, options) => {
    const answer = await plainFetch(resource, options);
    if (answer.status !== 401 || !answer.headers.has("X-Signed-Out") || declined) return answer;
    const csrf = await ask();
    if (csrf === null) return answer;
    const headers = new Headers(options?.headers);
    if (headers.has("X-CSRFToken")) headers.set("X-CSRFToken", csrf);
    if (options?.body instanceof FormData && options.body.has("csrfmiddlewaretoken")) options.body.set("csrfmiddlewaretoken", csrf);
    return plainFetch(resource, { ...options, headers });
  };

  // A part of a page that htmx asked for, because somebody typed or by itself, goes on after the dialog.
  const waiting = new WeakSet();

  document.addEventListener("htmx:responseError", async (event) => {
    const { xhr, requestConfig, elt, target } = event.detail;
    if (xhr.status !== 401 || !xhr.getResponseHeader("X-Signed-Out") || waiting.has(elt)) return;
    if (declined && !requestConfig.triggeringEvent) return;
    waiting.add(elt);
    const csrf = await ask();
    waiting.delete(elt);
    if (csrf === null || !elt.isConnected) return;
    const values = { ...Object.fromEntries(requestConfig.formData ?? []) };
    if ("csrfmiddlewaretoken" in values) values.csrfmiddlewaretoken = csrf;
    window.htmx.ajax(requestConfig.verb, requestConfig.path, { source: elt, target, values });
  });

  document.addEventListener("DOMContentLoaded", () => {
    known = document.querySelector("[data-signed-in-as]")?.dataset.signedInAs ?? "";
  });
})();
