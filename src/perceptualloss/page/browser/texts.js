// What the page says, in both languages; {name} stands for a value.

const TEXTS = {
  en: {
    title: "Enlarge in this browser",
    lead: "The network runs here, by onnxruntime-web. The picture is not sent anywhere, not to this page's server either.",
    back: "Back to the page",
    drop: "Drop a picture here",
    choose: "Choose a picture",
    network: "Network",
    run: "Enlarge",
    cancel: "Cancel",
    download: "Download",
    progress: "Progress",
    loading: "Loading the network …",
    working: "Tile {done} of {count}, {how}",
    finished: "{width} x {height} pixels in {seconds} s, {how}",
    cancelled: "Cancelled.",
    wasm: "on {threads} threads of this computer's processor",
    webgpu: "on this computer's graphics processor (WebGPU)",
    transparent: "This picture is transparent in places, which is not kept here. The page itself keeps it.",
    unreadable: "This browser cannot read this file as a picture. The page itself reads more kinds.",
    large: "The result would have {width} x {height} pixels. Here at most {side} a side and {megapixels} megapixels are possible.",
    failed: "It did not work: {reason}",
    preparing: "The networks are being prepared; the first time that takes some seconds.",
    missing_offer: "The server does not say which networks there are: {command}",
    missing_runtime: "onnxruntime-web is not there. In a checkout: make browser-runtime. Otherwise:\n{command}",
    missing_onnx: "The networks cannot be written. Install: {command}",
  },
  de: {
    title: "In diesem Browser vergrößern",
    lead: "Das Netz rechnet hier, mit onnxruntime-web. Das Bild wird nirgendwohin gesendet, auch nicht an den Server dieser Seite.",
    back: "Zurück zur Seite",
    drop: "Bild hierher ziehen",
    choose: "Bild wählen",
    network: "Netz",
    run: "Vergrößern",
    cancel: "Abbrechen",
    download: "Herunterladen",
    progress: "Fortschritt",
    loading: "Das Netz wird geladen …",
    working: "Kachel {done} von {count}, {how}",
    finished: "{width} x {height} Pixel in {seconds} s, {how}",
    cancelled: "Abgebrochen.",
    wasm: "mit {threads} Threads des Prozessors dieses Rechners",
    webgpu: "auf dem Grafikprozessor dieses Rechners (WebGPU)",
    transparent: "Dieses Bild ist stellenweise durchsichtig; das bleibt hier nicht erhalten. Die Seite selbst erhält es.",
    unreadable: "Dieser Browser kann die Datei nicht als Bild lesen. Die Seite selbst liest mehr Arten.",
    large: "Das Ergebnis hätte {width} x {height} Pixel. Hier sind höchstens {side} je Seite und {megapixels} Megapixel möglich.",
    failed: "Das ging nicht: {reason}",
    preparing: "Die Netze werden vorbereitet; das dauert beim ersten Mal einige Sekunden.",
    missing_offer: "Der Server sagt nicht, welche Netze es gibt: {command}",
    missing_runtime: "onnxruntime-web ist nicht da. In einem Checkout: make browser-runtime. Sonst:\n{command}",
    missing_onnx: "Die Netze können nicht geschrieben werden. Installieren: {command}",
  },
};

const cookies = Object.fromEntries(document.cookie.split("; ").map((pair) => pair.split("=")));
export const language = TEXTS[cookies.language] ? cookies.language : navigator.language.startsWith("de") ? "de" : "en";
export const theme = ["light", "dark"].includes(cookies.theme) ? cookies.theme : "";

export function say(key, values = {}) {
  return TEXTS[language][key].replace(/\{(\w+)\}/g, (_, name) => values[name]);
}
