// Functions for passkeys and security keys, under the names that the nodes of flows call.
(function () {
  "use strict";

  if (window.__oryWebAuthnInitialized) {
    return;
  }
  let suggestions = null; // the AbortController of a login that waits for the user to choose a suggested passkey

  function decode(text) {
    const binary = atob(text.replace(/-/g, "+").replace(/_/g, "/"));
    return Uint8Array.from(binary, (character) => character.charCodeAt(0));
  }

  function encode(buffer) {
    const bytes = Array.from(new Uint8Array(buffer || []), (byte) => String.fromCharCode(byte));
    return btoa(bytes.join("")).replace(/\+/g, "-").replace(/\//g, "_").replace(/=/g, "");
  }

  function field(name) {
    return document.querySelector(`[name="${name}"]`);
  }

  function decodeOptions(options) {
    const decoded = { ...options.publicKey, challenge: decode(options.publicKey.challenge) };
    if (decoded.user && decoded.user.id) {
      decoded.user = { ...decoded.user, id: decode(decoded.user.id) };
    }
    for (const list of ["allowCredentials", "excludeCredentials"]) {
      if (decoded[list]) {
        decoded[list] = decoded[list].map((descriptor) => ({ ...descriptor, id: decode(descriptor.id) }));
      }
    }
    return decoded;
  }

  function encodeResponse(credential) {
    const response = {};
    for (const name of ["attestationObject", "authenticatorData", "clientDataJSON", "signature", "userHandle"]) {
      if (name in credential.response) {
        response[name] = encode(credential.response[name]);
      }
    }
    return JSON.stringify({
      id: credential.id,
      rawId: encode(credential.rawId),
      type: credential.type,
      response,
    });
  }

  function submit(result, credential) {
    result.value = encodeResponse(credential);
    result.closest("form").submit();
  }

  function stopSuggestions() {
    if (suggestions) {
      suggestions.abort();
      suggestions = null;
    }
  }

  function isSupported() {
    if (!window.PublicKeyCredential) {
      window.alert("This browser does not support passkeys and security keys.");
      return false;
    }
    return true;
  }

  async function create(options, resultName) {
    const result = field(resultName);
    if (!result || !isSupported()) {
      return;
    }
    try {
      submit(result, await navigator.credentials.create({ publicKey: decodeOptions(options) }));
    } catch (error) {
      console.error("The credential was not created:", error);
    }
  }

  async function get(options, resultName) {
    const result = field(resultName);
    if (!result || !isSupported()) {
      return;
    }
    stopSuggestions();
    try {
      submit(result, await navigator.credentials.get({ publicKey: decodeOptions(options) }));
    } catch (error) {
      console.error("The login was not completed:", error);
      await oryPasskeyLoginAutocompleteInit();
    }
  }

  function optionsOf(name) {
    const node = field(name);
    return node ? JSON.parse(node.value) : null;
  }

  function oryWebAuthnRegistration(options) {
    return create(options || optionsOf("webauthn_register_trigger"), "webauthn_register");
  }

  function oryWebAuthnLogin(options) {
    return get(options || optionsOf("webauthn_login_trigger"), "webauthn_login");
  }

  function oryPasskeyLogin() {
    const options = optionsOf("passkey_challenge");
    return options && get(options, "passkey_login");
  }

  function oryPasskeySettingsRegistration() {
    const options = optionsOf("passkey_create_data");
    return options && create(options, "passkey_settings_register");
  }

  function oryPasskeyRegistration() {
    const data = optionsOf("passkey_create_data");
    if (!data) {
      return undefined;
    }
    const named = field("passkey_create_data").closest("form").querySelector(`[name="${data.displayNameFieldName}"]`);
    const user = data.credentialOptions.publicKey.user;
    user.name = user.displayName = named ? named.value : user.name;
    return create(data.credentialOptions, "passkey_register");
  }

  async function oryPasskeyLoginAutocompleteInit() {
    const options = optionsOf("passkey_challenge");
    const result = field("passkey_login");
    const credential = window.PublicKeyCredential;
    if (!options || !result || !field("identifier") || !credential || !credential.isConditionalMediationAvailable) {
      return;
    }
    if (!(await credential.isConditionalMediationAvailable())) {
      return;
    }
    stopSuggestions();
    suggestions = new AbortController();
    const request = { publicKey: decodeOptions(options), mediation: "conditional", signal: suggestions.signal };
    try {
      submit(result, await navigator.credentials.get(request));
    } catch (error) {
      console.debug("No suggested passkey was used:", error);
    }
  }

  const functions = {
    oryWebAuthnRegistration,
    oryWebAuthnLogin,
    oryPasskeyLogin,
    oryPasskeyRegistration,
    oryPasskeySettingsRegistration,
    oryPasskeyLoginAutocompleteInit,
  };
  for (const [name, implementation] of Object.entries(functions)) {
    window[name] = implementation;
    window[`__${name}`] = implementation; // the names of earlier releases
  }
  window.__oryWebAuthnInitialized = true;
  window.dispatchEvent(new CustomEvent("oryWebAuthnInitialized"));
})();
