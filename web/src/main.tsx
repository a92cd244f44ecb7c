import { StrictMode } from 'react';
import { createRoot } from 'react-dom/client';
import { App } from './App';
import { loginHint } from './logic/known';
import { pageAt } from './pages/pages';
import { applyTheme } from './parts/theme';
import { warmUp } from './shell';
import './style.css';

applyTheme();
// The list needs it at once: it loads while the page is drawn.
if (pageAt(location.pathname) === '/dashboard' && loginHint()) {
    warmUp();
}
const root = document.getElementById('root');
if (root) {
    createRoot(root).render(<StrictMode><App /></StrictMode>);
}
