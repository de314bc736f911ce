{#- The banner on a page of somebody else. `data`: version, lang, url, says {language: label, text, link, dismiss}; `sheet`: its CSS.
It leaves no name behind (one function), never throws (a page must not break over it), needs no inline style (a constructed
sheet in a shadow root, where no rule of the page reaches), and stores one value once it is dismissed: the version.
Short names, since all of it has to fit into 3 kB: d data, k the key, l the language, t its words, m makes an element. -#}
(()=>{"use strict";try{
const d={{ data }},k="kept-banner",D=document,
m=(n,x)=>{const e=D.createElement(n);e.textContent=x;return e},
show=()=>{try{
if(D.getElementById(k))return;
const a=(D.documentElement.lang||"").slice(0,2).toLowerCase(),l=d.says[a]?a:d.lang,t=d.says[l],
host=m("div",""),root=host.attachShadow({mode:"open"}),sheet=new CSSStyleSheet,
box=m("section",""),acts=m("div",""),link=m("a",t.link),button=m("button",t.dismiss);
sheet.replaceSync(`{{ sheet }}`);root.adoptedStyleSheets=[sheet];
box.lang=l;box.setAttribute("role","region");box.setAttribute("aria-label",t.label);
link.href=d.url+"?lang="+l;
button.onclick=()=>{host.remove();try{localStorage.setItem(k,d.version)}catch{}};
acts.append(link,button);box.append(m("p",t.text),acts);root.append(box);
host.id=k;D.body.append(host)
}catch{}};
try{if(localStorage.getItem(k)==d.version)return}catch{}
D.body?show():D.addEventListener("DOMContentLoaded",show)
}catch{}})();
